"""tune: preferences on top of a supervised adapter, by DPO, ORPO, KTO or SimPO."""
