"""What the columns of a multiple choice are usually called; compared without case and what is neither letter nor digit.

A new set with names of its own is a name more here. Of several names the first that holds something counts.
"""

from __future__ import annotations

import re

PASSAGES = (
    *("passage", "context", "article", "text", "story", "puzzle", "paragraph", "narrative", "support", "background"),
    *("flores_passage", "hint", "document", "documents", "material", "dialogue", "background_description", "problem"),
    *("材料", "文章", "背景"),
)
QUESTIONS = (
    *("question", "question_stem", "stem", "query", "question_text", "q_text", "prompt", "questions", "ask"),
    *("problem", "题目", "题干", "问题"),
)
OPTIONS = (
    *("options", "choices", "option", "choice", "candidates", "candidate_answers", "answer_choices", "option_list"),
    *("answer_options", "answer_option_list", "choice_list", "alternatives", "endings", "mc1_targets"),
    "选项",
)
KEYS = (
    *("answer_key", "answer_letter", "answer_idx", "answer_index", "correct_option", "correct_choice"),
    *("correct_answer", "correct_answer_num", "correct_answer_key", "correct_answer_id", "correct_answer_index"),
    *("correct_index", "correct_option_index", "right_answer", "correct", "answer", "answers", "answer_choice"),
    *("answer_id", "label", "labels", "gold", "gold_label", "gold_index", "gold_answer", "target", "ground_truth"),
    *("cop", "key", "q_ans", "answer_value", "answer_text"),
    *("正确答案", "答案"),
)
# what else a key is called, as `normed` makes it: correctOptionNumber, right_option, gold_answers, AnswerNo
_RIGHT = r"(?:correct|right|gold|golden|true|best)(?:answer|option|choice|response|alternative)?s?"
_PLACE = r"(?:key|letter|idx|ind|index|indices|indexes|id|number|num|no|nr|position|pos)s?"
KEYISH = re.compile(rf"{_RIGHT}(?:{_PLACE}|text|label|choice|option)?|(?:answer|solution){_PLACE}")
# what a worked way to the answer, or the reason for it, is called beside a choice
EXPLANATIONS = frozenset(
    (
        *("explanation", "explanations", "exp", "explain", "answer_explanation", "correct_answer_explanation"),
        *("rationale", "rationales", "reason", "reasons", "reasoning", "justification", "lecture"),
        *("solution", "cot", "cot_content", "chain_of_thought", "step_by_step", "analysis", "textbox_answer_analysis"),
        *("解析", "分析"),
    )
)
IDS = ("id", "qid", "question_id", "example_id", "id_string", "uid")
