-- Pairs of replies of which one is chosen and one rejected; an unpaired preference has null for the side that it lacks.
create table preferences (
  artifact varchar, id varchar, question varchar, "group" varchar, split varchar, source varchar, prompt json, chosen json,
  rejected json
);
