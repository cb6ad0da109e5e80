"""What the columns of a multiple choice are usually called; compared without case and what is neither letter nor digit.

A new set with names of its own is a name more here. Of several names the first that holds something counts.
"""

from __future__ import annotations

PASSAGES = (
    *("passage", "context", "article", "text", "story", "puzzle", "paragraph", "narrative", "support", "background"),
    *("flores_passage", "hint", "document", "documents", "material", "dialogue", "background_description", "problem"),
)
QUESTIONS = (
    *("question", "question_stem", "stem", "query", "question_text", "q_text", "prompt", "questions", "ask"),
    "problem",
)
OPTIONS = (
    *("options", "choices", "option", "choice", "candidates", "candidate_answers", "answer_choices", "option_list"),
    *("answer_options", "answer_option_list", "choice_list", "alternatives", "endings", "mc1_targets"),
)
KEYS = (
    *("answer_key", "answer_letter", "answer_idx", "answer_index", "correct_option", "correct_choice"),
    *("correct_answer", "correct_answer_num", "correct_answer_key", "correct_answer_id", "correct_answer_index"),
    *("correct_index", "correct_option_index", "right_answer", "correct", "answer", "answers", "answer_choice"),
    *("answer_id", "label", "labels", "gold", "gold_label", "gold_index", "gold_answer", "target", "ground_truth"),
    *("cop", "key", "q_ans", "answer_value", "answer_text"),
)
IDS = ("id", "qid", "question_id", "example_id", "id_string", "uid")
