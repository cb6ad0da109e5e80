-- What the kinds of work other than multiple choice are read into; `about` is what a scorer needs beside the words.
create table dialogues (
  artifact varchar, id varchar, "group" varchar, split varchar, task varchar, messages json, about json, topic varchar,
  language varchar, source_id varchar, file varchar, line bigint
);
