"""Multiple choice as published: for each schema a row of our own, and the question that it is.

`CASES` has (case, name of the format, row, (problem, question, options, key)). A key of None is test data.
"""

from typing import Any

from storage.sources.formats.choice import ChoiceSet
from storage.sources.formats.choice_sets import SETS

OPTIONS = ("ice", "iron", "sand", "salt")
ASKED = ("", "Which melts?", OPTIONS, "B")
LABELS = ["A", "B", "C", "D"]
LISTED = list(OPTIONS)
Q = {"question": "Which melts?"}
BY_LETTER = dict(zip(LABELS, OPTIONS, strict=True))
Case = tuple[str, str, Any, tuple[str, str, tuple[str, ...], str | None]]


def passage(text: str = "A stove.") -> tuple[str, str, tuple[str, ...], str]:
    return (text, *ASKED[1:])


def objects(label: str = "label", text: str = "text") -> list[dict[str, str]]:
    return [{label: mark, text: option} for mark, option in BY_LETTER.items()]


CASES: list[Case] = [
    # options as a list, the key in every dress
    ("list, letter", "choice", {**Q, "options": LISTED, "answer": "B"}, ASKED),
    ("choices, letter", "choice", {**Q, "choices": LISTED, "answer": "B"}, ASKED),
    ("small letter", "choice", {**Q, "options": LISTED, "answer": "b"}, ASKED),
    ("brackets", "choice", {**Q, "options": LISTED, "answer": "(B)"}, ASKED),
    ("full width", "choice", {**Q, "options": LISTED, "answer": "Ｂ"}, ASKED),
    ("dot", "choice", {**Q, "options": LISTED, "answer": "B."}, ASKED),
    ("blanks", "choice", {**Q, "options": LISTED, "answer": " b "}, ASKED),
    ("words", "choice", {**Q, "options": LISTED, "answer": "Answer: B"}, ASKED),
    ("list of one", "choice", {**Q, "options": LISTED, "answer": ["B"]}, ASKED),
    ("text", "choice", {**Q, "options": LISTED, "answer": "iron"}, ASKED),
    ("text, other case", "choice", {**Q, "options": LISTED, "answer": "Iron "}, ASKED),
    ("letter and text", "choice", {**Q, "options": LISTED, "answer": "B. iron"}, ASKED),
    ("no key", "choice", {**Q, "options": LISTED}, (*ASKED[:3], None)),
    ("null key", "choice", {**Q, "options": LISTED, "answer": None}, (*ASKED[:3], None)),
    ("blank key", "choice", {**Q, "options": LISTED, "answer": ""}, (*ASKED[:3], None)),
    ("true", "choice", {"question": "Does it melt?", "options": ["Yes", "No"], "answer": True},
     ("", "Does it melt?", ("Yes", "No"), "A")),
    # options in their shapes
    ("labelled", "choice", {**Q, "options": [f"{m}. {o}" for m, o in BY_LETTER.items()], "answer": "B"}, ASKED),
    ("bracketed", "choice", {**Q, "options": [f"({m}){o}" for m, o in BY_LETTER.items()], "answer": "B"}, ASKED),
    ("Chinese marks", "choice", {**Q, "options": [f"{m}、{o}" for m, o in BY_LETTER.items()], "answer": "B"}, ASKED),
    ("object", "choice", {**Q, "options": BY_LETTER, "answer": "B"}, ASKED),
    ("object, empty last", "choice", {**Q, "option": {**BY_LETTER, "E": ""}, "answer": "B"}, ASKED),
    ("objects", "choice", {**Q, "options": objects(), "answer": "B"}, ASKED),
    ("key and value", "choice", {**Q, "options": objects("key", "value"), "answer": "B"}, ASKED),
    ("pairs", "choice", {**Q, "options": [list(p) for p in BY_LETTER.items()], "answer": "B"}, ASKED),
    ("flagged", "choice", {**Q, "options": [{"text": o, "is_correct": o == "iron"} for o in OPTIONS]},
     ASKED),
    ("lines", "choice", {**Q, "options": "\n".join(f"{m} . {o}" for m, o in BY_LETTER.items()), "answer": "B"}, ASKED),
    ("literal", "choice", {**Q, "choices": str(LISTED), "answer": "B"}, ASKED),
    ("numbers", "choice", {"question": "1+1?", "options": [1, 2, 3], "answer": "B"}, ("", "1+1?", ("1", "2", "3"), "B")),
    ("columns A", "choice", {**Q, **BY_LETTER, "answer": "B"}, ASKED),
    ("columns a", "choice", {**Q, **{m.lower(): o for m, o in BY_LETTER.items()}, "answer": "b"}, ASKED),
    ("columns option_a", "choice", {**Q, **{f"option_{m.lower()}": o for m, o in BY_LETTER.items()}, "answer": "B"}, ASKED),
    ("columns option1", "choice", {**Q, **{f"option{n + 1}": o for n, o in enumerate(OPTIONS)}, "answer": "iron"}, ASKED),
    ("its column", "choice", {**Q, **{f"option{n + 1}": o for n, o in enumerate(OPTIONS)}, "answer": "option2"}, ASKED),
    ("columns, last null", "choice", {**Q, **BY_LETTER, "E": None, "answer": "B"}, ASKED),
    # published sets
    ("C-Eval val", "choice", {"id": "0", **Q, **BY_LETTER, "answer": "B"}, ASKED),
    ("CMMLU", "choice", {"": "0", "Question": Q["question"], **BY_LETTER, "Answer": "B"}, ASKED),
    ("MMLU hub", "mmlu", {**Q, "subject": "physics", "choices": LISTED, "answer": 1}, ASKED),
    ("MMLU-Pro", "choice", {"question_id": 70, **Q, "options": LISTED, "answer": "B", "answer_index": 1,
     "cot_content": "", "category": "x", "src": "y"}, ASKED),
    ("medagents", "choice", {**Q, "options": BY_LETTER, "answer_idx": "B", "answer": "iron"}, ASKED),
    ("AGIEval", "choice", {"passage": None, **Q, "options": [f"({m}){o}" for m, o in BY_LETTER.items()], "label": "B",
     "answer": None, "other": {"solution": "x"}}, ASKED),
    ("AGIEval passage", "choice", {"passage": "A stove.", **Q, "options": [f"({m}){o}" for m, o in BY_LETTER.items()],
     "label": "B", "answer": None}, passage()),
    ("AGIEval hub", "agieval", {"query": Q["question"], "choices": [f"({m}){o}" for m, o in BY_LETTER.items()],
     "gold": [1]}, ASKED),
    ("AQuA-RAT", "choice", {**Q, "options": [f"{m}){o}" for m, o in BY_LETTER.items()], "rationale": "r",
     "correct": "B"}, ASKED),
    ("ARC hub", "choice", {"id": "x", **Q, "choices": {"text": LISTED, "label": LABELS}, "answerKey": "B"}, ASKED),
    ("ARC hub, digits", "choice", {"id": "x", **Q, "choices": {"text": LISTED, "label": ["1", "2", "3", "4"]},
     "answerKey": "2"}, ASKED),
    ("ARC original", "choice", {"id": "x", "question": {"stem": Q["question"], "choices": objects()},
     "answerKey": "B"}, ASKED),
    ("CommonsenseQA", "choice", {"id": "x", **Q, "question_concept": "c", "choices": {"label": LABELS, "text": LISTED},
     "answerKey": "B"}, ASKED),
    ("OpenBookQA", "choice", {"id": "x", "question_stem": Q["question"], "choices": {"text": LISTED, "label": LABELS},
     "answerKey": "B"}, ASKED),
    ("HellaSwag", "hellaswag", {"ind": 4, "activity_label": "Roof", "ctx_a": "Which", "ctx_b": "melts?",
     "ctx": Q["question"], "endings": LISTED, "label": 1}, ASKED),
    ("HellaSwag hub", "hellaswag", {"activity_label": "Roof", "ctx": Q["question"], "endings": LISTED, "label": "1"}, ASKED),
    ("SWAG", "swag", {"video-id": "x", "startphrase": Q["question"], "sent1": "s", "sent2": "t",
     **{f"ending{n}": o for n, o in enumerate(OPTIONS)}, "label": "1"}, ASKED),
    ("PIQA", "piqa", {"goal": "Melt it?", "sol1": "ice", "sol2": "iron"}, ("", "Melt it?", ("ice", "iron"), None)),
    ("PIQA hub", "piqa", {"goal": "Melt it?", "sol1": "ice", "sol2": "iron", "label": 1},
     ("", "Melt it?", ("ice", "iron"), "B")),
    ("RACE hub", "choice", {"example_id": "h1.txt", "article": "A stove.", "answer": "B", **Q, "options": LISTED}, passage()),
    ("ReClor", "reclor", {"context": "A stove.", **Q, "answers": LISTED, "label": 1, "id_string": "t_1"}, passage()),
    ("LogiQA 2.0", "logiqa2", {"id": 7, "answer": 1, "text": "A stove.", **Q, "options": LISTED}, passage()),
    ("LogiQA hub", "logic-llm", {"label": "b", "context": "A stove.", **Q, "options": LISTED}, passage()),
    ("Logic-LLM", "logic-llm", {"id": "x_1", "context": "A stove.", **Q,
     "options": [f"{m}) {o}" for m, o in BY_LETTER.items()], "answer": "B"}, passage()),
    ("ZebraLogic mc", "choice", {"id": "z", "puzzle": "A stove.", **Q, "choices": LISTED, "answer": "iron"}, passage()),
    ("GPQA", "gpqa", {"Question": Q["question"], "Correct Answer": "iron", "Incorrect Answer 1": "ice",
     "Incorrect Answer 2": "sand", "Incorrect Answer 3": "salt", "Explanation": "e"},
     ("", "Which melts?", ("iron", "sand", "ice", "salt"), "A")),
    ("CMExam", "choice", {"Question": Q["question"], "Options": "\n".join(f"{m} {o}" for m, o in BY_LETTER.items()),
     "Answer": "B"}, ASKED),
    ("MedQA", "choice", {**Q, "answer": "iron", "options": BY_LETTER, "meta_info": "step1", "answer_idx": "B"}, ASKED),
    ("PubMedQA", "pubmedqa", {"pubid": 1, "question": "Does it?", "context": {"contexts": ["One.", "Two."]},
     "long_answer": "l", "final_decision": "no"}, ("One.\nTwo.", "Does it?", ("yes", "no", "maybe"), "B")),
    ("SciQ", "sciq", {**Q, "distractor3": "salt", "distractor1": "ice", "distractor2": "sand", "correct_answer": "iron",
     "support": "A stove."}, ("A stove.", "Which melts?", ("iron", "salt", "sand", "ice"), "A")),
    ("Belebele", "belebele", {"flores_passage": "A stove.", **Q, **{f"mc_answer{n + 1}": o for n, o in enumerate(OPTIONS)},
     "correct_answer_num": "2", "dialect": "eng_Latn"}, passage()),
    ("Social IQa", "social-iqa", {"context": "A stove.", **Q, "answerA": "ice", "answerB": "iron", "answerC": "sand",
     "label": "2"}, ("A stove.", "Which melts?", ("ice", "iron", "sand"), "B")),
    ("WinoGrande", "winogrande", {"sentence": "The _ melts.", "option1": "ice", "option2": "iron", "answer": "2"},
     ("", "The _ melts.", ("ice", "iron"), "B")),
    ("CMB", "choice", {"exam_type": "x", **Q, "answer": "B", "question_type": "单项选择题", "option": BY_LETTER}, ASKED),
    ("JEC-QA", "jec-qa", {"answer": ["B"], "id": "1_1", "option_list": BY_LETTER, "statement": Q["question"], "type": "0"},
     ASKED),
    ("BBH", "bbh", {"input": "Which melts?\nOptions:\n(A) ice\n(B) iron\n(C) sand\n(D) salt", "target": "(B)"}, ASKED),
    ("BIG-bench", "big-bench", {"input": Q["question"], "target_scores": {"ice": 0, "iron": 1, "sand": 0, "salt": 0}},
     ("", "Which melts?", ("iron", "sand", "ice", "salt"), "A")),
    ("BIG-bench hub", "big-bench-hub", {"idx": 0, "inputs": Q["question"], "targets": ["iron"],
     "multiple_choice_targets": ["ice", "iron"], "multiple_choice_scores": [0, 1]}, ("", "Which melts?", ("ice", "iron"), "B")),
    ("two options and their marks", "choice", {**Q, "choices": ["ice", "iron"], "labels": [0, 1]},
     ("", "Which melts?", ("ice", "iron"), "B")),
    ("TruthfulQA", "truthfulqa", {**Q, "mc1_targets": {"iron": 1, "ice": 0, "sand": 0}, "mc2_targets": {"iron": 1}},
     ("", "Which melts?", ("iron", "sand", "ice"), "A")),
    ("TruthfulQA hub", "truthfulqa", {**Q, "mc1_targets": {"choices": ["iron", "ice", "sand"], "labels": [1, 0, 0]}},
     ("", "Which melts?", ("iron", "sand", "ice"), "A")),
    ("SpartQA", "spartqa", {"story": "A stove.", **Q, "candidate_answers": LISTED, "answer": 1}, passage()),
    ("MuSR", "choice", {"narrative": "A stove.", **Q, "choices": str(LISTED), "answer_index": 1, "answer_choice": "iron"},
     passage()),
    ("Kaggle science", "choice", {"id": 0, "prompt": Q["question"], **BY_LETTER, "answer": "B"}, ASKED),
    ("Open Trivia", "right-and-wrong", {**Q, "correct_answer": "iron", "incorrect_answers": ["ice", "sand", "salt"]},
     ("", "Which melts?", ("iron", "sand", "ice", "salt"), "A")),
    ("distractors", "distractors", {**Q, "correct_answer": "iron", "distractors": ["ice", "sand", "salt"]},
     ("", "Which melts?", ("iron", "sand", "ice", "salt"), "A")),
    ("MedMCQA", "medmcqa", {"id": "x", **Q, **{f"op{m.lower()}": o for m, o in BY_LETTER.items()}, "cop": 4, "exp": "e"},
     (*ASKED[:3], "D")),
    ("Cosmos QA", "cosmos-qa", {"context": "A stove.", **Q, **{f"answer{n}": o for n, o in enumerate(OPTIONS)}, "label": 1},
     passage()),
    ("alpha-NLI", "alpha-nli", {"obs1": "A stove.", "obs2": "Which melts?", "hyp1": "ice", "hyp2": "iron", "label": "2"},
     ("A stove.", "Which melts?", ("ice", "iron"), "B")),
    ("CaseHOLD", "casehold", {"citing_prompt": Q["question"], **{f"holding_{n}": o for n, o in enumerate(OPTIONS)},
     "label": "1"}, ASKED),
    ("ScienceQA", "scienceqa", {**Q, "choices": LISTED, "answer": 1, "hint": "A stove.", "lecture": "l", "image": None},
     passage()),
    ("TruthfulQA csv", "truthfulqa-answers", {"Type": "x", "Question": Q["question"], "Best Answer": "iron",
     "Correct Answers": "iron; hot iron", "Incorrect Answers": "ice; sand; salt", "Source": "s"},
     ("", "Which melts?", ("iron", "sand", "ice", "salt"), "A")),
    ("COPA", "copa", {"premise": "A stove.", "question": "cause", "choice1": "ice", "choice2": "iron", "label": 1},
     ("A stove.", "cause", ("ice", "iron"), "B")),
    ("HEAD-QA", "head-qa", {"qtext": Q["question"], "ra": 2,
     "answers": [{"aid": n, "atext": o} for n, o in enumerate(OPTIONS, start=1)]}, ASKED),
    ("StoryCloze", "story-cloze", {"InputSentence1": "One.", "InputSentence2": "Two.", "InputSentence3": "Three.",
     "InputSentence4": "Four.", "RandomFifthSentenceQuiz1": "ice", "RandomFifthSentenceQuiz2": "iron",
     "AnswerRightEnding": "2"}, ("One.\n\nTwo.\n\nThree.", "Four.", ("ice", "iron"), "B")),
    ("GAOKAO-Bench", "gaokao", {"year": "2010", "category": "x", "question": "1．Which melts?( )\nA．ice\nB．iron\nC．sand",
     "answer": ["B"], "analysis": "因为", "index": 0, "score": 4}, ("", "1．Which melts?( )", ("ice", "iron", "sand"), "B")),
    ("COIG exam", "coig-exam", {"textbox_q_instruction": "i", "textbox_q_context": "", "textbox_question":
     "Which melts?\nA. ice\nB. iron", "textbox_answer": "B", "textbox_answer_analysis": "因为"}, ("", "Which melts?", ("ice", "iron"), "B")),
    ("TAL-SCQ", "choice", {"problem": Q["question"], "answer_option_list":
     [[{"aoVal": m, "content": o}] for m, o in BY_LETTER.items()], "answer_value": "B"}, ASKED),
    ("MathQA", "choice", {"Problem": "How many?", "Rationale": "r", "options": "a ) 38 , b ) 27.675 , c ) 30 , d ) 1",
     "correct": "b"}, ("", "How many?", ("38", "27.675", "30", "1"), "B")),
    ("KMMLU", "choice", {**Q, "answer": 4, **BY_LETTER, "Category": "x"}, (*ASKED[:3], "D")),
    ("SuperGPQA", "choice", {**Q, "options": LISTED, "answer": "iron", "answer_letter": "B"}, ASKED),
    ("HEAD-like objects", "choice", {**Q, "options": [{"id": 7, "text": "ice"}, {"id": 8, "text": "iron"}], "answer": 8},
     ("", "Which melts?", ("ice", "iron"), "B")),
    ("QuAIL", "choice", {"context": "A stove.", **Q, "answers": LISTED, "correct_answer_id": 0}, ("A stove.", *ASKED[1:3], "A")),
    ("DREAM hub", "choice", {"dialogue": ["A stove.", "Yes."], **Q, "choice": LISTED, "answer": "iron"},
     passage("A stove.\nYes.")),
    ("marks", "choice", {"query": Q["question"], "choices": LISTED, "labels": [0, 1, 0, 0]}, ASKED),
    ("EXAMS", "choice", {"id": "1", "question": {"stem": Q["question"], "choices": {"text": LISTED, "label": LABELS}},
     "answerKey": "B"}, ASKED),
    ("problem and question", "choice", {"problem": "A stove.", **Q, "options": LISTED, "answer": "B"}, passage()),
    # sets whose columns or conventions are their own
    ("CaseHOLD, LexGLUE", "casehold-lexglue", {"context": Q["question"], "endings": LISTED, "label": 1}, ASKED),
    ("e-CARE", "e-care", {"index": "train-0", "premise": "Ann fell.", "ask-for": "cause", "hypothesis1": "Ice.",
        "hypothesis2": "Sun.", "conceptual_explanation": "e", "label": 1}, ("Ann fell.", "cause", ("Ice.", "Sun."), "B")),
    ("LogiQA, lucasmccabe", "logiqa-hub", {"context": "A stove.", "query": Q["question"], "options": LISTED,
        "correct_option": 1}, passage()),
    ("MMLU, lukaemon", "mmlu-columns", {"input": Q["question"], **BY_LETTER, "target": "B"}, ASKED),
    ("ARC, original table", "arc-csv", {"questionID": "M_1", "AnswerKey": "B", "isMultipleChoiceQuestion": "1",
        "question": "Which melts? (A) ice (B) iron (C) sand (D) salt"}, ASKED),
    ("MedQA, four options", "sentence-endings", {"id": "x", "sent1": Q["question"], "sent2": "",
        **{f"ending{n}": option for n, option in enumerate(OPTIONS)}, "label": 1}, ASKED),
    ("ARC as a table by pandas", "choice", {**Q, "choices": "{'text': array(['ice', 'iron', 'sand', 'salt'], dtype=object), "
        "'label': array(['A', 'B', 'C', 'D'], dtype=object)}", "answerKey": "B"}, ASKED),
    ("numpy's list in a table", "choice", {**Q, "options": "['ice' 'iron'\n 'sand' \"salt\"]", "answer": "B"}, ASKED),
    ("ECQA", "choice", {"q_no": "1", "q_concept": "x", "q_text": Q["question"],
        **{f"q_op{n}": option for n, option in enumerate(OPTIONS, 1)}, "q_ans": "iron", "taskB": "t"}, ASKED),
    ("Xiezhi", "choice", {**Q, "options": "ice\niron\nsand\nsalt\n", "answer": "iron", "labels": ["x"]}, ASKED),
    ("M3Exam", "choice", {"question_text": Q["question"], "background_description": ["A stove."], "answer_text": "2",
        "options": [f"({n}) {option}" for n, option in enumerate(OPTIONS, 1)]}, passage()),
    ("NumGLUE", "choice", {**Q, "options": "Option 1: ice Option 2: iron", "answer": "Option 2", "type": "Type_3"},
        ("", Q["question"], ("ice", "iron"), "B")),
    ("MedXpertQA, options twice", "choice", {"question": "Which melts?\nAnswer Choices: (A) ice (B) iron (C) sand (D) salt",
        "options": BY_LETTER, "label": "B", "medical_task": "x"}, ASKED),
    ("AGIEval, hub, options twice", "agieval", {"query": "Which melts? Answer Choices: (A)ice (B)iron (C)sand (D)salt\n"
        "A: Among A through D, the answer is", "choices": ["(A)ice", "(B)iron", "(C)sand", "(D)salt"], "gold": [1]}, ASKED),
    ("MMLU-Redux, mended", "mmlu-redux", {**Q, "choices": LISTED, "answer": 0, "error_type": "wrong_groundtruth",
        "correct_answer": "B"}, ASKED),
    ("MMLU-Redux, as it is", "mmlu-redux", {**Q, "choices": LISTED, "answer": 1, "error_type": "ok", "correct_answer": None},
        ASKED),
    ("CaseHOLD, original table", "casehold-csv", {"": "0", **{str(n): cell for n, cell in enumerate(
        [Q["question"], *LISTED, "glass", "0.1", "0.2", "0.3", "0.4", "0.5", "1"])}},
        ("", Q["question"], (*OPTIONS, "glass"), "B")),
    ("key by another name", "choice", {**Q, "options": LISTED, "right_option": "b"}, ASKED),
    ("number by another name", "choice", {"question_text": Q["question"], **{f"option_{n + 1}": o for n, o in
        enumerate(OPTIONS)}, "correct_option_number": "4"}, (*ASKED[:3], "D")),
    ("camel case", "choice", {"questionText": Q["question"], "answerOptions": LISTED, "correctAnswerText": "iron"}, ASKED),
    ("solution that is a letter", "choice", {**Q, "options": LISTED, "solution": "B"}, ASKED),
    ("answers that are flagged", "choice", {**Q, "answers": [{"text": o, "correct": o == "iron"} for o in OPTIONS]}, ASKED),
    ("Inspect", "inspect", {"id": "1", "input": Q["question"], "choices": LISTED, "target": "B"}, ASKED),
    ("input and options", "input-options", {"input": Q["question"], "options": LISTED, "answer": "iron"}, ASKED),
    ("options between bars", "choice", {**Q, "options": "ice | iron | sand | salt", "answer": "iron"}, ASKED),
    ("options between semicolons", "choice", {**Q, "options": "ice;iron;sand;salt", "answer": "B"}, ASKED),
    ("marks in a text", "choice", {**Q, "options": LISTED, "answer": "0,1,0,0"}, ASKED),
    ("Kahoot", "choice", {"Question": Q["question"], **{f"Answer {n + 1}": o for n, o in enumerate(OPTIONS)},
        "Time limit": "20", "Correct answer(s)": "4"}, (*ASKED[:3], "D")),
    ("Chinese names", "choice", {"题目": "哪个?", "选项": {"A": "冰", "B": "铁"}, "答案": "B", "解析": "因为"},
        ("", "哪个?", ("冰", "铁"), "B")),
]  # fmt: skip
ROWS: dict[str, Any] = {}
for _, _format, _row, _ in CASES:
    ROWS.setdefault(_format, _row)


def sets_of_the_page() -> list[str]:
    """The lines of docs/formats.md that the declared sets make."""
    return ["| Format | Sets | Told by | Numbers from | Kept together |", "|---|---|---|---|---|", *map(_line, SETS)]


def _line(chosen: ChoiceSet) -> str:
    marks = ", ".join(f"`{name}`" for name in chosen.needs) or "a question, options and a key by their usual names"
    base = "" if chosen.first is None else str(chosen.first)
    together = "passage, else question" if chosen.passage else "question"
    return f"| `{chosen.name}` | {chosen.sets} | {marks} | {base} | {together} |"
