"""Settings of preferences: the recipe's `[prefer]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PreferSpec(BaseModel):
    """Where preferences come from and how replies are paired."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ledger: bool = Field(
        True, description="Pair the teacher's rationales that agree with the key and those that do not."
    )
    samples: int = Field(
        8, ge=0, le=64, description="Replies drawn of the trained adapter for each training question; 0 draws none."
    )
    questions: int | None = Field(
        None, ge=1, description="Draw of only so many training questions, chosen by their content."
    )
    temperature: float = Field(1.0, gt=0, le=5, description="Temperature of these replies.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens that hold this share.")
    max_tokens: int = Field(1024, ge=1, description="Longest of these replies, in tokens.")
    seed: int = Field(0, ge=0, description="Another seed draws other replies.")
    most: int = Field(2, ge=1, le=64, description="Most pairs of one question, or replies of either kind, unpaired.")
    length_ratio: float = Field(
        1.5, ge=1, description="Most that the longer reply of a pair may be of the shorter, in characters."
    )
