"""The sets of multiple choice that are read without a flag: what each calls its parts.

The first that knows a row has it. What is not declared here is read by `choice`, which knows the usual
names; a set is declared where its names are its own, or where it is known what its keys count from.
"""

from __future__ import annotations

from storage.sources.formats.base import Cells, Format
from storage.sources.formats.choice import ChoiceSet, format_of

_YES_NO_MAYBE = ("yes", "no", "maybe")

SETS: tuple[ChoiceSet, ...] = (
    ChoiceSet(
        "gpqa",
        "GPQA",
        needs=("Correct Answer", "Incorrect Answer 1"),
        right=("Correct Answer",),
        wrong=("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"),
        key=(),
    ),
    ChoiceSet(
        "sciq",
        "SciQ, and what has a right answer and distractors",
        needs=("correct_answer", "distractor1"),
        right=("correct_answer",),
        wrong=tuple(f"distractor{n}" for n in range(1, 10)),
        key=(),
    ),
    ChoiceSet(
        "right-and-wrong",
        "a right answer and a list of wrong ones",
        needs=("correct_answer", "incorrect_answers"),
        right=("correct_answer",),
        wrong=("incorrect_answers",),
        key=(),
    ),
    ChoiceSet(
        "distractors",
        "a right answer and a list of distractors",
        needs=("correct_answer", "distractors"),
        right=("correct_answer",),
        wrong=("distractors",),
        key=(),
    ),
    ChoiceSet(
        "pubmedqa",
        "PubMedQA (hub, original)",
        needs=("question", "final_decision"),
        passage=("contexts", "context"),
        key=("final_decision",),
        fixed=_YES_NO_MAYBE,
    ),
    ChoiceSet("medmcqa", "MedMCQA", needs=("opa", "opb", "cop"), passage=(), key=("cop",)),
    ChoiceSet("hellaswag", "HellaSwag", needs=("ctx", "endings"), passage=(), question=("ctx",), first=0),
    ChoiceSet(
        "swag", "SWAG", needs=("startphrase", "ending0"), passage=(), question=("startphrase",), key=("label",), first=0
    ),
    ChoiceSet("piqa", "PIQA", needs=("goal", "sol1", "sol2"), passage=(), question=("goal",), key=("label",), first=0),
    ChoiceSet(
        "winogrande",
        "WinoGrande",
        needs=("sentence", "option1", "option2"),
        passage=(),
        question=("sentence",),
        key=("answer",),
        first=1,
    ),
    ChoiceSet(
        "social-iqa",
        "Social IQa",
        needs=("context", "question", "answerA", "answerB", "answerC"),
        key=("label", "correct", "label_letter"),
        first=1,
    ),
    ChoiceSet(
        "belebele",
        "Belebele",
        needs=("flores_passage", "mc_answer1", "correct_answer_num"),
        key=("correct_answer_num",),
        first=1,
    ),
    ChoiceSet(
        "cosmos-qa",
        "Cosmos QA",
        needs=("context", "question", "answer0", "answer1"),
        options=(),
        key=("label",),
        first=0,
    ),
    ChoiceSet(
        "alpha-nli",
        "αNLI",
        needs=("obs1", "obs2", "hyp1", "hyp2"),
        options=(),
        passage=("obs1",),
        question=("obs2",),
        key=("label",),
        first=1,
    ),
    ChoiceSet("casehold", "CaseHOLD", needs=("citing_prompt", "holding_0"), question=("citing_prompt",), first=0),
    ChoiceSet(
        "casehold-csv",
        "CaseHOLD, original table: columns of numbers",
        needs=(*map(str, range(12)),),
        passage=(),
        question=("0",),
        columns=("1", "2", "3", "4", "5"),
        key=("11",),
        first=0,
    ),
    ChoiceSet(
        "reclor",
        "ReClor",
        needs=("context", "question", "answers", "label"),
        options=("answers",),
        key=("label",),
        first=0,
    ),
    ChoiceSet("logiqa2", "LogiQA 2.0", needs=("text", "question", "options"), first=0),
    ChoiceSet("mmlu-redux", "MMLU-Redux", needs=("question", "choices", "answer", "error_type"), first=0),
    ChoiceSet("mmlu", "MMLU (hub)", needs=("question", "subject", "choices", "answer"), first=0),
    ChoiceSet("scienceqa", "ScienceQA", needs=("question", "choices", "answer", "hint", "lecture"), first=0),
    ChoiceSet("agieval", "AGIEval (hub)", needs=("query", "choices", "gold"), key=("gold",), first=0),
    ChoiceSet(
        "logic-llm",
        "ProntoQA, ProofWriter, LogicalDeduction of Logic-LLM; RACE-like",
        needs=("context", "question", "options"),
    ),
    ChoiceSet(
        "spartqa",
        "SpartQA",
        needs=("story", "question", "candidate_answers"),
        first=0,
    ),
    ChoiceSet(
        "jec-qa",
        "JEC-QA",
        needs=("statement", "option_list"),
        question=("statement",),
        passage=(),
    ),
    ChoiceSet(
        "bbh",
        "BIG-Bench Hard with letters",
        needs=("input", "target"),
        question=("input",),
        passage=(),
        key=("target",),
        inside=True,
    ),
    ChoiceSet(
        "inspect",
        "Inspect, and what asks in `input` beside choices",
        needs=("input", "choices", "target"),
        question=("input",),
        key=("target",),
    ),
    ChoiceSet(
        "input-options",
        "a question in `input` beside options",
        needs=("input", "options", "answer"),
        question=("input",),
    ),
    ChoiceSet(
        "big-bench",
        "BIG-bench",
        needs=("input", "target_scores"),
        question=("input",),
        options=("target_scores",),
        key=(),
    ),
    ChoiceSet(
        "big-bench-hub",
        "BIG-bench (hub)",
        needs=("inputs", "multiple_choice_targets", "multiple_choice_scores"),
        question=("inputs",),
        options=("multiple_choice_targets",),
        key=("multiple_choice_scores",),
        passage=(),
    ),
    ChoiceSet(
        "truthfulqa",
        "TruthfulQA (multiple choice)",
        needs=("question", "mc1_targets"),
        options=("mc1_targets",),
        key=(),
        passage=(),
    ),
    ChoiceSet(
        "truthfulqa-answers",
        "TruthfulQA (answers)",
        needs=("question", "best_answer", "incorrect_answers"),
        passage=(),
        right=("best_answer",),
        wrong=("incorrect_answers",),
        key=(),
    ),
    ChoiceSet(
        "copa", "COPA, XCOPA", needs=("premise", "choice1", "choice2"), passage=("premise",), key=("label",), first=0
    ),
    ChoiceSet(
        "head-qa", "HEAD-QA", needs=("qtext", "ra", "answers"), question=("qtext",), options=("answers",), key=("ra",)
    ),
    ChoiceSet(
        "story-cloze",
        "StoryCloze",
        needs=("InputSentence4", "RandomFifthSentenceQuiz1"),
        passage=("InputSentence1", "InputSentence2", "InputSentence3"),
        question=("InputSentence4",),
        key=("AnswerRightEnding",),
        first=1,
    ),
    ChoiceSet(
        "gaokao",
        "GAOKAO-Bench, objective",
        needs=("question", "answer", "analysis"),
        passage=(),
        key=("answer",),
        inside=True,
    ),
    ChoiceSet(
        "coig-exam",
        "COIG, exams",
        needs=("textbox_question", "textbox_answer"),
        passage=("textbox_q_context",),
        question=("textbox_question",),
        key=("textbox_answer",),
        inside=True,
    ),
    ChoiceSet(
        "casehold-lexglue",
        "CaseHOLD of LexGLUE: a context and its endings",
        needs=("context", "endings", "label"),
        passage=(),
        question=("context",),
        options=("endings",),
        key=("label",),
        first=0,
    ),
    ChoiceSet(
        "sentence-endings",
        "MedQA with four options (hub)",
        needs=("sent1", "ending0", "label"),
        passage=(),
        question=("sent1",),
        options=(),
        key=("label",),
        first=0,
    ),
    ChoiceSet(
        "e-care",
        "e-CARE",
        needs=("premise", "ask-for", "hypothesis1", "hypothesis2"),
        passage=("premise",),
        question=("ask-for",),
        options=(),
        key=("label",),
        first=0,
    ),
    ChoiceSet(
        "logiqa-hub",
        "LogiQA (lucasmccabe)",
        needs=("context", "query", "options", "correct_option"),
        key=("correct_option",),
        first=0,
    ),
    ChoiceSet(
        "mmlu-columns",
        "MMLU (lukaemon)",
        needs=("input", "A", "B", "C", "D", "target"),
        passage=(),
        question=("input",),
        options=(),
        key=("target",),
    ),
    ChoiceSet(
        "arc-csv",
        "ARC, original tables",
        needs=("questionID", "AnswerKey", "question"),
        passage=(),
        key=("AnswerKey",),
        inside=True,
    ),
    ChoiceSet(
        "choice",
        "ARC, CommonsenseQA, OpenBookQA, MMLU-Pro, C-Eval, CMMLU, AGIEval, AQuA-RAT, MathQA, RACE, MedQA, CMExam, CMB, "
        "ZebraLogic, MuSR, SuperGPQA, KMMLU, QuAIL, DREAM, TAL-SCQ, EvalScope, EXAMS, and sheets of one's own",
    ),
)
FORMATS: tuple[Format, ...] = tuple(format_of(chosen, SETS[:n]) for n, chosen in enumerate(SETS))


def known(row: Cells) -> bool:
    """Whether a row is a multiple choice of any set."""
    return any(chosen.knows(row) for chosen in SETS)
