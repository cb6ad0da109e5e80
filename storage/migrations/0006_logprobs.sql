-- The mean log-probability of a reply's tokens, in nats; null where the engine gives none.
alter table samples add column logprob double;
