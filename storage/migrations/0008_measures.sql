-- Re-evaluations: a row for each round, set and side. `artifact` is the evaluation; `against` the round, or the
-- promotion, that is the reference; its columns are null where there is none, and of the base.
create table measures (
  artifact varchar, recipe varchar, round varchar, measured_at timestamptz, test_set varchar, side varchar, subject varchar, questions integer,
  votes integer, accuracy double, low double, high double, unreadable double, engine varchar, version varchar, device varchar,
  against varchar, difference double, p double, accuracy_verdict varchar, unreadable_verdict varchar, alarm boolean
);
