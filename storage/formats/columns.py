"""What the columns of a row that asks and answers are called, each meaning once.

A new set is a name more here, not a reader more. Names are compared without case. Of several names for one meaning
the first that holds something counts; what then stays unread is told like any other column.
"""

from __future__ import annotations

INSTRUCTION = ("instruction", "task_prefix", "textbox_q_instruction")
# above the question, in this order
CONTEXT = (
    "context",
    "contexts",
    "passage",
    "passages",
    "story",
    "paragraphs",
    "paragraph",
    "article",
    "document",
    "background",
    "theory",
    "body",
    "puzzle",
    "textbox_q_context",
)
QUESTION = (
    "question",
    "query",
    "problem",
    "input",
    "inputs",
    "prompt",
    "ask",
    "squestion",
    "textbox_question",
    "goal",
    "user",
    "open-ended verifiable question",
    "original_text",
    "text",
)
# a reply as it was given
REPLY = (
    "response",
    "output",
    "completion",
    "attempt",
    "deepseek_attempt",
    "deepseek_solution",
    "model_answer",
    "targets",
    "target_text",
    "target",
    "std_answer",
    "assistant",
)
# a worked way to the answer: the reply, where it says more than the answer
SOLUTION = (
    "solution",
    "solutions",
    "generated_solution",
    "canonical_solution",
    "worked_solution",
    "long_answer",
    "textbox_answer_analysis",
)
# the answer in short: the reply where there is no other, else kept to score against
ANSWER = (
    "answer",
    "answers",
    "final_answer",
    "short_answer",
    "expected_answer",
    "answers_spans",
    "lsolutions",
    "golden",
    "final_decision",
    "textbox_answer",
    "answer_number",
    "reference_answer",
    "ground-true answer",
    "ground_truth",
    "reward_model",
    "ans",
    "code",
)
# a reply's thoughts, which stand before it between <think> tags
THOUGHTS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "thinking_trajectories",
    "deepseek_thinking_trajectory",
    "complex_cot",
    "deepseek_reasoning",
    "model_reasoning",
)
# words that lead to the answer and are part of the reply
RATIONALE = ("rationale", "chain_of_thought")
# replies that only another column makes one: (the reply, what must stand beside it)
BESIDE = (("text", "prompt"), ("content", "reasoning_content"), ("sentence", "sentenceid"))  # Cosmopedia, …, WikiQA
HISTORY = ("history",)
DOCUMENT = ("document", "article", "dialogue", "text", "report", "source_text")
SUMMARY = ("summary", "highlights", "abstract")
# what says nothing that is to be learnt: passed over without a word
_METADATA = """
id idx index uid uuid guid _id qid question_id questionid query_id row_id example_id sample_id ind iindex pid aid
conversation_id conversation_hash prompt_id message_id message_tree_id thread_id story_id problem_idx unique_id
source dataset dataset_name data_source datasource origin origin_id src repo license licence url urls link links
file filename file_name path author authors user_id username creator created created_at created_date date time
timestamp updated year month split fold version revision hash md5 sha256
category categories subcategory subject subjects subfield topic topics domain tag tags keyword keywords kind type
types task task_name task_type tasktype task_category class level grade difficulty complexity reasoning_type
question_type answer_type problem_type cot_type source_type solution_type qtype
lang language languages locale country model models model_name generator teacher judge state tree_state status
score scores score_chosen score_rejected rating ratings rank num_turns turn_count length token_count tokens
text_token_length format audience openai_moderation redacted synthetic deleted detoxify emojis
metadata meta info title document_title name dataset_id split_name annotator annotator_id worker_id
"""
METADATA = frozenset((*_METADATA.split(), "", "unnamed: 0"))  # and a table's column of row numbers
