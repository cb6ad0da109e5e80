-- Replies to other work than multiple choice, each with its score; `wins` marks the one that answers for its subject.
create table scores (
  artifact varchar, question varchar, "group" varchar, subject varchar, "index" integer, text varchar, finish varchar,
  outcome varchar, value double, reason varchar, measures json, label integer, wins boolean
);
