"""What the columns of a row that asks and answers are called, each meaning once.

A new set is a name more here, not a reader more. Names are compared without case. Of several names for one meaning
the first that holds something counts; what then stays unread is told like any other column.
"""

from __future__ import annotations

import re
from functools import lru_cache

INSTRUCTION = ("instruction", "task_prefix", "textbox_q_instruction", "指令")
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
    "retrieved_contexts",
    "pre_text",
    "table",
    "post_text",
    "table_page_title",
    "table_section_title",
    "table_array",
    "support",
    "材料",
    "背景",
)
QUESTION = (
    "question",
    "query",
    "problem",
    "input",
    "inputs_pretokenized",
    "inputs",
    "prompt",
    "ask",
    "message_1",
    "squestion",
    "textbox_question",
    "goal",
    "user",
    "open-ended verifiable question",
    "original_text",
    "user_input",
    "input_text",
    "problem_text",
    "user_query",
    "question_text",
    "question_content",
    "problem_statement",
    "q",
    "front",
    "term",
    "nl",
    "问题",
    "题目",
    "提问",
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
    "targets_pretokenized",
    "targets",
    "message_2",
    "target_text",
    "output_text",
    "target",
    "std_answer",
    "assistant",
    "final",
    "reply",
    "bot_response",
    "assistant_response",
    "assistant_content",
    "reannotated_assistant_content",
    "model_response",
    "model_output",
    "generated_response",
    "generated_text",
    "generation",
    "回复",
    "回答",
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
    "r1_solution_1",
    "step_by_step_solution",
    "full_solution",
    "解答",
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
    "a",
    "numeric_answer",
    "numerical_answer",
    "exact_answer",
    "expected_output",
    "ideal",
    "back",
    "definition",
    "correct_answer",
    "gold_answer",
    "final_result",
    "exe_ans",
    "final_ans",
    "output_answer",
    "possible_answers",
    "fol",
    "答案",
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
    "thought",
    "thoughts",
    "思考",
)
# words that lead to the answer and are part of the reply
RATIONALE = ("rationale", "chain_of_thought", "cot")
# thoughts that only another column makes so: harmony's
THOUGHTS_BESIDE = (("analysis", "final"),)
# replies that only another column makes one: (the reply, what must stand beside it)
BESIDE = (("text", "prompt"), ("content", "reasoning_content"), ("sentence", "sentenceid"))  # Cosmopedia, …, WikiQA
# ISO 639-1, of the languages that corpora of pairs are made of
_LANGUAGES = """
ar bg bn cs da de el en es et fa fi fr ga gu he hi hr hu id is it ja kk km ko lt lv mt my ne nl no pl ps pt ro ru sk sl
sr sv sw ta te th tr uk ur vi zh
"""
LANGUAGES = frozenset(_LANGUAGES.split())
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
_METADATA_OF_SETS = """
meta_info meta_data discipline medical_discipline disciplines major department ability extra_info
exam exam_name exam_type exam_class exam_subject exam_year subject_name topic_name choice_type specialty specialties
sub_category sub_topic sub_domain main_topic main_category subdomain high_level_domain clinical_department
problem_source generation_model inference_mode pass_rate_72b_tir pass_rate task_id entry_point openai_fingerprint
turkid turkidanonymized workerid humanscore clarity canary canary_string record_id source_id split_type fold_ind
video_id gold_source activity_label idiom_type sql_complexity sql_complexity_description sql_task_type
sql_task_type_description domain_description question_style task_name_in_eng resource adjective subtopic
reasoning_language language_code dialect ds link_id isbn doi pubid pmid chapter section page page_number book
publisher journal publication_date access_date region prompt_version prompt_hash conv_id session_id turn_id
raw_index start_index cluster embedding_id num_options num_choices option_count is_multiple_choice avg_rating
model_a model_b chosen_model rejected_model model_chosen model_rejected subset realidx repo_name answer_from
human_verified copyright task_source template_type template_idx identifier hashed_ip toxic
prompt_source response_0_source response_1_source response_0_sha256 response_1_sha256 c_root_id_a c_root_id_b
labelling_model question_source problem_name ground_truth_type
grade_level school_grade points max_score upvotes downvotes views likes comment_count table_id gold_inds program_id
"""
METADATA = frozenset((*_METADATA.split(), *_METADATA_OF_SETS.split(), "", "unnamed:_0"))  # and numbers of rows
_LAST = frozenset(
    (
        *("id", "ids", "idx", "index", "uuid", "uid", "url", "date", "type", "category"),
        *("language", "lang", "license", "licence", "version", "difficulty"),
    )
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")


@lru_cache(maxsize=1 << 12)
def is_metadata(name: str) -> bool:
    """Whether a column's name says that it shapes no lesson: by the whole of it, or by its last word, in any spelling.

    >>> is_metadata("examType"), is_metadata("High-level domain"), is_metadata("hint")
    (True, True, False)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    plain = name.lower()
    known = METADATA.intersection((plain, "_".join(words), re.sub(r"[\s-]+", "_", plain)))
    return bool(known) or (len(words) > 1 and words[-1] in _LAST)
