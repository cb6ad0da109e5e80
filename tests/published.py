"""Published sets by name, each with the form that shows what becomes of it: rows of our own in its schema.

`NAMES` has a set's name and that of its form: a row of `tests.choices`, a form of `tests.forms`, or one of the files
here, which are told from others by their container. `page()` is the table of docs/published.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.choices import CASES
from tests.forms import FILES as TEXTS
from tests.forms import FORMS, Form, gpt, said

OPTIONS = ["ice", "iron", "sand", "salt"]
_Q = {"question": "Which melts?"}
_MARKED = [f"({letter}){option}" for letter, option in zip("ABCD", OPTIONS, strict=True)]
_COLUMNS = dict(zip("ABCD", OPTIONS, strict=True))
_ASKED = " ? Which melts? [ice / iron / sand / salt]"
_SEVERAL = "! answer: several answers (A, C), expected one"
_DOGS: dict[str, Any] = {"db_id": "dogs", "table_names": ["dog"], "column_names": [[-1, "*"], [0, "name"]]}
_DOGS |= {"column_types": ["text", "text"], "foreign_keys": []}
_DOG = "CREATE TABLE dog (name TEXT)"


@dataclass(frozen=True, slots=True)
class File:
    """A published file: its name, its content (a text, or what is written as JSON over lines), what its rows become.

    `refused` is the beginning of what is said of the whole file, where none of it is read.
    """

    name: str
    content: Any
    becomes: list[str] = field(default_factory=list)
    refused: str = ""

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        text = self.content if isinstance(self.content, str) else json.dumps(self.content, indent=1, ensure_ascii=False)
        path.write_text(text, "utf-8")
        return path


def _sheet(*lines: str, header: str = "") -> str:
    return "\n".join(filter(None, (header, *lines))) + "\n"


_BOOLEAN = "not ( True ) is"
_SORT = "Sort the following words: b a"
FILES: dict[str, File] = {
    "MMLU, csv": File(
        "a.csv", _sheet("Which melts?,ice,iron,sand,salt,B", "Who?,a1,b1,c1,d1,C"),
        [f"{_ASKED} B", " ? Who? [a1 / b1 / c1 / d1] C"],
    ),
    "C-Eval dev, csv": File(
        "a.csv", _sheet("0,Which melts?,ice,iron,sand,salt,B,it is hot", header="id,question,A,B,C,D,answer,explanation"),
        [f"{_ASKED} B"],
    ),
    "C-Eval val, csv": File(
        "a.csv", _sheet("0,Which melts?,ice,iron,sand,salt,B", header="id,question,A,B,C,D,answer"), [f"{_ASKED} B"]
    ),
    "C-Eval test, csv": File(
        "a.csv", _sheet("0,Which melts?,ice,iron,sand,salt", header="id,question,A,B,C,D"), [f"{_ASKED} None"]
    ),
    "CMMLU, csv": File(
        "a.csv", _sheet("0,Which melts?,ice,iron,sand,salt,B", header=",Question,A,B,C,D,Answer"), [f"{_ASKED} B"]
    ),
    "EvalScope, csv": File(
        "a.csv",
        _sheet("0,Which melts?,ice,iron,sand,salt,B", "1,Which melts?,ice,iron,sand,salt,AC",
               header="id,question,A,B,C,D,answer"),
        [f"{_ASKED} B", _SEVERAL],
    ),
    "SWAG, csv": File(
        "a.csv",
        _sheet("0,x,y,Which melts?,s,t,gold0-orig,ice,iron,sand,salt,1",
               header=",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label"),
        [f"{_ASKED} B"],
    ),
    "GPQA, csv": File(
        "a.csv",
        _sheet("Which melts?,iron,ice,sand,salt,e", header="Question,Correct Answer,Incorrect Answer 1,"
               "Incorrect Answer 2,Incorrect Answer 3,Explanation"),
        [" ? Which melts? [iron / sand / ice / salt] A"],
    ),
    "CMExam, csv": File(
        "a.csv",
        _sheet('Which melts?,"A ice\nB iron\nC sand\nD salt",B,why', header="Question,Options,Answer,Explanation"),
        [f"{_ASKED} B"],
    ),
    "TruthfulQA, csv": File(
        "a.csv",
        _sheet("x,y,Which melts?,iron,iron; hot iron,ice; sand,s",
               header="Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source"),
        [" ? Which melts? [iron / sand / ice] A"],
    ),
    "TruthfulQA, mc_task.json": File(
        "mc_task.json",
        [{"question": "Which melts?", "mc0_targets": {"iron": 1, "ice": 0}, "mc1_targets": {"iron": 1, "ice": 0, "sand": 0},
          "mc2_targets": {"iron": 1, "hot iron": 1, "ice": 0}}],
        [" ? Which melts? [iron / sand / ice] A"],
    ),
    "BBH, letters": File(
        "a.json", json.dumps({"canary": "x", "examples": [{"input": "Which?\nOptions:\n(A) ice\n(B) iron", "target": "(B)"}]}),
        [" ? Which? [ice / iron] B"],
    ),
    "BBH, boolean expressions": File(
        "a.json", json.dumps({"canary": "x", "examples": [{"input": _BOOLEAN, "target": "False"}]}), [f"u: {_BOOLEAN} | a: False"]
    ),
    "BBH, words": File(
        "a.json", json.dumps({"canary": "x", "examples": [{"input": _SORT, "target": "a b"}]}), [f"u: {_SORT} | a: a b"]
    ),
    "BIG-bench, task.json": File(
        "task.json", {"name": "t", "description": "d", "examples": [{"input": "Which?", "target_scores": {"ice": 0, "iron": 1}}]},
        [" ? Which? [iron / ice] A"],
    ),
    "ProntoQA, original": File(
        "a.json",
        {"example1": {"in_context_example0": {"question": "x", "query": "y", "answer": "True"},
                      "test_example": {"question": "Each cat is big.", "query": "True or false: Tom is big.",
                                       "chain_of_thought": ["Tom is a cat."], "answer": "True"}}},
        ["Each cat is big. ? True or false: Tom is big. [True / False] A"],
    ),
    "GAOKAO-Bench, objective": File(
        "a.json",
        {"keywords": "x", "example": [
            {"year": "2010", "question": "Which? ( )\nA. ice\nB. iron", "answer": ["B"], "analysis": "so", "index": 0},
            {"year": "2010", "question": "Which? ( )\nA. ice\nB. iron", "answer": ["A", "B"], "analysis": "so", "index": 1}]},
        [" ? Which? ( ) [ice / iron] B", "! answer: several answers (A, B), expected one"],
    ),
    "GAOKAO-Bench, subjective": File(
        "a.json", {"keywords": "x", "example": [{"year": "2010", "question": "Prove it.", "answer": "Thus.", "analysis": "so"}]},
        ["u: Prove it. | a: Thus."],
    ),
    "CMB, answers": File("a.json", [{"id": 1, "answer": "A"}], refused="no mapping can read it: nothing in it both asks and answers"),
    "MATH, original": File(
        "1.json", {"problem": "1+1?", "level": "Level 1", "type": "Algebra", "solution": "Add: 2."}, ["u: 1+1? | a: Add: 2."]
    ),
    "coin flip": File("a.json", {"examples": [{"question": "Heads up?", "answer": "no"}]}, ["u: Heads up? | a: no"]),
    "axolotl, one object": File("a.json", {"conversations": gpt("Hi", "Ho")}, ["u: Hi | a: Ho"]),
    "RACE, original": File(
        "1.txt",
        json.dumps({"article": "A tale.", "questions": ["Why?"], "options": [["ice", "iron"]], "answers": ["B"], "id": "1.txt"}),
        ["A tale. ? Why? [ice / iron] B"],
    ),
    "LogicBench, BQA": File(
        "a.json",
        {"type": "p", "samples": [{"id": 1, "context": "If.", "qa_pairs": [{"question": "Q?", "answer": "no"}]}]},
        ["If. ? Q? [yes / no] B"],
    ),
    "LogicBench, MCQA": File(
        "a.json",
        {"type": "p", "samples": [{"id": 1, "context": "If.", "question": "Q?",
                                   "choices": {"choice_1": "ice", "choice_2": "iron"}, "answer": "choice_2"}]},
        ["If. ? Q? [ice / iron] B"],
    ),
    "C3": File(
        "a.json", [[["甲：好。", "乙：好。"], [{"question": "谁?", "choice": ["甲", "乙"], "answer": "乙"}], "1"]],
        ["甲：好。\n乙：好。 ? 谁? [甲 / 乙] B"],
    ),
    "SpartQA, original": File(
        "a.json",
        {"name": "x", "data": [{"identifier": "x", "story": ["A is left."], "questions": [
            {"q_id": 1, "q_type": "FB", "question": "Which?", "candidate_answers": ["ice", "iron"], "answer": ["iron"]}]}]},
        ["A is left. ? Which? [ice / iron] B"],
    ),
    "SQuAD": File(
        "a.json",
        {"version": "1", "data": [{"title": "Rome", "paragraphs": [
            {"context": "It is old.", "qas": [{"id": "1", "question": "How?", "answers": [{"text": "old", "answer_start": 6}]}]}]}]},
        ["u: It is old.\n\nHow? | a: old"],
    ),
}  # fmt: skip
OWN = [
    Form("MMLU, jsonl", [{**_Q, "choices": OPTIONS, "answer": n, "type": "x"} for n in (1, 0)], [f"{_ASKED} B", f"{_ASKED} A"]),
    Form(
        "PubMedQA, medagents",
        [{"question": "Does it?", "context": "A study.", "options": {"A": "yes", "B": "no"}, "answer_idx": "B", "answer": "no"}],
        ["A study. ? Does it? [yes / no] B"],
    ),
    Form("EvalScope, jsonl", [{"id": "0", **_Q, **_COLUMNS, "answer": "B"}], [f"{_ASKED} B"]),
    Form("EvalScope, several answers", [{"id": "0", **_Q, **_COLUMNS, "answer": ["A", "C"]}], [_SEVERAL]),
    Form(
        "AGIEval, physics, jec-qa",
        [{"passage": "", **_Q, "options": _MARKED, "label": label, "answer": None} for label in ("B", ["D"], ["A", "C"])],
        [f"{_ASKED} B", f"{_ASKED} D", "! label: several answers (A, C), expected one"],
    ),
    Form(
        "AGIEval, math, cloze",
        [{"passage": None, "question": "1+1?", "options": None, "label": None, "answer": "2", "other": {"solution": "Add."}}],
        ["u: 1+1? | a: 2"],
        ("unread other",),
    ),
    Form("LogiQA 2.0 NLI, text", [{"premise": "All.", "hypothesis": "So.", "label": "entailed"}], ["u: All.\n\nSo. | a: entailed"]),
    Form("AR-LSAT", [{"passage": "P.", "questions": [{**_Q, "options": OPTIONS, "answer": "B"}]}], ["P. ? Which melts? [ice / iron / sand / salt] B"]),
    Form(
        "Logic-LLM, true or false",
        [{"id": "x", "context": "P.", "question": "Is it true?", "options": ["A) True", "B) False", "C) Unknown"], "answer": "C"}],
        ["P. ? Is it true? [True / False / Unknown] C"],
    ),
    Form(
        "FOLIO v0.0",
        [{"premises": ["All are big.", "Ann is one."], "conclusion": "Ann is big.", "label": label} for label in ("True", "Uncertain")],
        [f"All are big.\nAnn is one. ? Ann is big. [True / False / Unknown] {letter}" for letter in "AC"],
    ),
    Form("FOLIO v2", [{"premises": "All.\nAnn.", "conclusion": "So.", "label": "Uncertain"}], ["All.\nAnn. ? So. [True / False / Unknown] C"]),
    Form("options in the question", [{"question": "Which?\n\nA. ice\nB. iron", "answer": "B"}], ["u: Which?\n\nA. ice\nB. iron | a: B"]),
    Form("GAOKAO 2024", [{"question": "Which? A. ice B. iron", "answer": "AB"}, {"question": "1+1?", "answer": "3/2"}],
         ["u: Which? A. ice B. iron | a: AB", "u: 1+1? | a: 3/2"]),
    Form("GSM8K", [{"question": "1+1?", "answer": "Add.\n#### 2"}], ["u: 1+1? | a: Add.\n#### 2"]),
    Form("CMATH", [{"question": "一加一?", "golden": "2", "grade": 1}], ["u: 一加一? | a: 2"]),
    Form("MATH, jsonl", [{"problem": "1+1?", "level": "Level 1", "type": "Algebra", "solution": "Add: 2."}], ["u: 1+1? | a: Add: 2."]),
    Form("NuminaMath", [{"source": "x", "problem": "1+1?", "solution": "Add.", "messages": said("1+1?", "Add.")}], ["u: 1+1? | a: Add."]),
    Form("ultrachat_200k", [{"prompt": "Hi", "prompt_id": "x", "messages": said("Hi", "Ho", "And?", "So.")}], ["u: Hi | a: Ho | u: And? | a: So."]),
    Form("Alpaca", [{"instruction": "Say", "input": "Hi", "output": "Ho"}], ["u: Say\n\nHi | a: Ho"]),
    Form("MathInstruct", [{"source": "x", "instruction": "1+1?", "output": "2"}], ["u: 1+1? | a: 2"]),
    Form("CQIA", [{"instruction": "Hi", "input": "", "output": "Ho", "task_type": {"major": ["x"]}, "domain": ["x"], "answer_from": "human"}],
         ["u: Hi | a: Ho"]),
    Form("ms-swift ShareGPT", [{"system": "S.", "conversation": [{"human": "Hi", "assistant": "Ho"}]}], ["s: S. | u: Hi | a: Ho"]),
    Form("ShareGPT V3", [{"id": "x", "conversations": gpt("Hi", "Ho")}], ["u: Hi | a: Ho"]),
    Form(
        "train and weight of a turn",
        [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "No", sign: no},
                            {"from": "human", "value": "Again"}, {"from": "gpt", "value": "Ho", sign: yes}]}
         for sign, no, yes in (("train", False, True), ("weight", 0, 1))],
        ["u: Hi | A: No | u: Again | a: Ho"] * 2,
    ),
    Form("LLaMA-Factory DPO, one turn",
         [{"conversations": gpt("Hi"), "chosen": {"from": "gpt", "value": "Ho"}, "rejected": {"from": "gpt", "value": "No"}}],
         ["u: Hi >> Ho << No"]),
    Form("KTO, TRL, both", [{"prompt": "Hi?", "completion": word, "label": good} for word, good in (("Hello.", True), ("No.", False))],
         ["u: Hi? | a: Hello.", "! label: a bad answer of an unpaired preference"]),
    Form("Spider", [{"db_id": "dogs", "question": "How many?", "query": "SELECT 1", "sql": {}}], [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
         files={"tables.json": [_DOGS]}),
    Form("sql-create-context", [{"question": "How many?", "context": _DOG, "answer": "SELECT 1"}], [f"u: {_DOG}\n\nHow many? | a: SELECT 1"]),
    Form("C4", [{"text": "A page.", "timestamp": "x", "url": "u"}], ["= A page."]),
    Form("AIME", [{"ID": "1983-1", "Year": 1983, "Question": "1+1?", "Answer": 2}], ["u: 1+1? | a: 2"]),
    Form("CoQA, flat", [{"story": "Ann sat.", "question": "Who?", "answer": "Ann"}], ["u: Ann sat.\n\nWho? | a: Ann"]),
]  # fmt: skip
_NAMES = """
MMLU, csv without a header = MMLU, csv
MMLU, jsonl = MMLU, jsonl
MMLU, hub = MMLU hub
MMLU, medagents = medagents
MMLU-Pro, hub = MMLU-Pro
MMLU-Pro, medagents = medagents
MedQA with four options, medagents = medagents
MedMCQA, medagents = medagents
PubMedQA, medagents = PubMedQA, medagents
C-Eval dev, csv = C-Eval dev, csv
C-Eval val, csv = C-Eval val, csv
C-Eval test, csv = C-Eval test, csv
CMMLU, csv = CMMLU, csv
EvalScope multiple choice, csv = EvalScope, csv
EvalScope multiple choice, jsonl = EvalScope, jsonl
EvalScope multiple choice, several answers = EvalScope, several answers
AGIEval lsat-ar = AGIEval passage
AGIEval lsat-lr = AGIEval passage
AGIEval logiqa-zh = AGIEval passage
AGIEval gaokao-english = AGIEval passage
AGIEval sat-en = AGIEval passage
AGIEval sat-math = AGIEval
AGIEval gaokao-mathqa = AGIEval
AGIEval gaokao-chemistry = AGIEval
AGIEval gaokao-physics = AGIEval, physics, jec-qa
AGIEval aqua-rat = AGIEval
AGIEval jec-qa-ca = AGIEval, physics, jec-qa
AGIEval jec-qa-kd = AGIEval, physics, jec-qa
AGIEval math = AGIEval, math, cloze
AGIEval gaokao-mathcloze = AGIEval, math, cloze
AQuA-RAT = AQuA-RAT
ARC, original = ARC original
ARC, hub = ARC hub
ARC, hub, labels 1 to 4 = ARC hub, digits
CommonsenseQA = CommonsenseQA
OpenBookQA = OpenBookQA
HellaSwag, file = HellaSwag
HellaSwag, hub = HellaSwag hub
SWAG, csv = SWAG, csv
PIQA = PIQA
RACE, hub = RACE hub
ReClor = ReClor
LogiQA 2.0, English = LogiQA 2.0
LogiQA 2.0, Chinese = LogiQA 2.0
LogiQA 2.0, out of domain = LogiQA 2.0
LogiQA, hub (EleutherAI) = LogiQA hub
LogiQA 2.0 NLI, premises apart = LogiQA 2.0 NLI
LogiQA 2.0 NLI, premise and hypothesis = LogiQA 2.0 NLI, text
AR-LSAT = AR-LSAT
Logic-LLM, ProntoQA = Logic-LLM, true or false
Logic-LLM, ProofWriter = Logic-LLM, true or false
Logic-LLM, FOLIO = Logic-LLM, true or false
Logic-LLM, LogicalDeduction = Logic-LLM
Logic-LLM, AR-LSAT = Logic-LLM
FOLIO v0.0 = FOLIO v0.0
ProntoQA, original = ProntoQA, original
RuleTaker, original = RuleTaker, original
RuleTaker, hub = RuleTaker, hub
BBH, options with letters = BBH, letters
BBH, true or false = BBH, boolean expressions
BBH, words = BBH, words
ZebraLogic, multiple choice = ZebraLogic mc
ZebraLogic, grid = ZebraLogic, grid
GPQA, csv = GPQA, csv
GPQA in LIMO, options in the question = options in the question
StrategyQA = StrategyQA
BoolQ = BoolQ
BoolQ, SuperGLUE = BoolQ, SuperGLUE
SNLI = SNLI
RTE = RTE
ANLI = ANLI
GAOKAO-Bench, objective = GAOKAO-Bench, objective
GAOKAO-Bench, subjective = GAOKAO-Bench, subjective
GAOKAO 2024 = GAOKAO 2024
CMB, answers without questions = CMB, answers
CMExam, csv = CMExam, csv
MedMCQA = MedMCQA
MedQA = MedQA
GSM8K = GSM8K
GSM8K, backward = GSM8K
CMATH = CMATH
MATH, one object a file = MATH, original
MATH, jsonl = MATH, jsonl
MATH-500 = MATH-500
AIME = AIME
AIME 2024 = AIME24
kaoyan = MATH-500
AMC = AMC
OlympiadBench, original = OlympiadBench, original
OlympiadBench in LIMO = GSM8K
coin flip = coin flip
LIMO = LIMO
s1K = s1K
OpenR1-Math = OpenR1-Math
OpenThoughts = OpenThoughts
reasoning_content beside content = reasoning_content, thinking
thinking beside content = reasoning_content, thinking
NuminaMath = NuminaMath
ultrachat_200k = ultrachat_200k
Dolly = Dolly
Alpaca = Alpaca
COIG-CQIA = CQIA
Huatuo = Alpaca
Belle 0.5M = Alpaca
MathInstruct = MathInstruct
BELLE, evaluation set = BELLE eval
seed tasks = seed tasks
Firefly 1.1M = Firefly 1.1M
Firefly, several turns = Firefly, several turns
ms-swift ShareGPT = ms-swift ShareGPT
LawBench 1-2 = LawBench
LawBench 3-3 = LawBench
LawBench 3-6 = LawBench
CLUTRR = CLUTRR
OpenOrca = OpenOrca
MetaMathQA = MetaMathQA
ms-swift query and response = ms-swift query, response
EvalScope questions and answers = ms-swift query, response
FLAN = FLAN
CNN/DailyMail = CNN/DM, SAMSum
SAMSum = CNN/DM, SAMSum
MuSiQue = MuSiQue
CoQA, a question a row = CoQA, flat
HotpotQA = HotpotQA
NQ-open = NQ-open
SQuAD = SQuAD
DROP = DROP
ShareGPT V3 = ShareGPT V3
FastChat = ShareGPT V3
axolotl train = train and weight of a turn
SlimOrca weight = train and weight of a turn
axolotl, one object over lines = axolotl, one object
UltraChat, original = UltraChat, original
lmsys-chat-1m = lmsys-chat-1m
a row that is the list of messages = a row that is the list of messages
OASST messages = OASST messages
XTuner conversation = XTuner conversation
XTuner toy = XTuner toy
XTuner pre-training = XTuner pre-training
ms-swift pre-training = pre-training rows
OpenAI tools = OpenAI tools
TRL tools = OpenAI tools
tools beside conversations = LLaMA-Factory tools
ms-swift tool_call = ms-swift tool_call
Glaive v2 = Glaive v2
ms-swift loss = turns with loss: false
XTuner loss = XTuner pairs with loss
axolotl training = axolotl, training
LLaMA-Factory DPO, English = LLaMA-Factory DPO
LLaMA-Factory DPO, Chinese = LLaMA-Factory DPO, one turn
COIG-P = LLaMA-Factory DPO, one turn
LLaMA-Factory KTO = KTO, messages
ms-swift KTO = KTO, messages
TRL KTO = KTO, TRL, both
UltraFeedback, binarized = UltraFeedback, binarized
HH-RLHF = HH-RLHF
TRL implicit prompt = TRL implicit prompt
orca_dpo_pairs = orca_dpo_pairs
Alpaca with chosen and rejected = alpaca with chosen
LLaMA-Factory v1 DPO = LLaMA-Factory v1 DPO
Spider = Spider
CSpider = CSpider
DuSQL = CSpider
NL2SQL = CSpider
BIRD = BIRD
sql-create-context = sql-create-context
Gretel synthetic text-to-SQL = Gretel
CoNLL 2003 = CoNLL 2003
wiki_demo.txt, a document a line = a document a line
Huatuo, a document a line = a document a line
C4 = C4
RACE, original = RACE, original
FOLIO v2 = FOLIO v2
ProofWriter, meta = ProofWriter, meta
LogicBench BQA = LogicBench, BQA
LogicBench MCQA = LogicBench, MCQA
BIG-bench task.json = BIG-bench, task.json
TruthfulQA, csv = TruthfulQA, csv
TruthfulQA, mc_task.json = TruthfulQA, mc_task.json
SciQ = SciQ
Belebele = Belebele
Social IQa = Social IQa
WinoGrande = WinoGrande
C3, dialogues = C3
C3, mixed = C3
JEC-QA, original = JEC-QA
CMB = CMB
SpartQA = SpartQA, original
SVAMP = SVAMP
MAWPS = MAWPS
HuatuoGPT-o1 = HuatuoGPT-o1
Belle, several turns = Belle, several turns
liver_cancer = BenTsao, literature
COIG exam = COIG exam
COIG value = COIG, values
CAIL2018 = CAIL2018
BillSum = BillSum
Cosmopedia = Cosmopedia
WikiQA = WikiQA
LIMA = LIMA
MOSS-003 = MOSS-003
MOSS-003 with plugins = MOSS-003 with plugins
OASST trees = OASST trees
xLAM = xLAM
LLaMA-Factory v1 = LLaMA-Factory v1
ms-swift rejected_response = ms-swift rejected_response
PKU-SafeRLHF = PKU-SafeRLHF
TRL stepwise = stepwise, TRL
WikiSQL, original = WikiSQL, original
"""
NAMES: dict[str, str] = dict(line.split(" = ", 1) for line in _NAMES.strip().splitlines())
_CASES = {case[0]: case for case in CASES}
_BY_NAME = {form.name: form for form in (*FORMS, *OWN)}


def outcome(form: str) -> tuple[int, list[str]]:
    """How many rows of a form's are records, and why the others are none. KeyError if there is no such form."""
    if form in _CASES:
        return 1, []
    file = FILES.get(form)
    if file is not None and file.refused:
        return 0, [file.refused]
    lines = file.becomes if file is not None else TEXTS[form][2] if form in TEXTS else _BY_NAME[form].becomes
    return sum(not line.startswith("!") for line in lines), [line[2:] for line in lines if line.startswith("!")]


def page() -> str:
    """The table of docs/published.md, and above it how many of its forms are read."""
    found = {name: outcome(form) for name, form in NAMES.items()}
    read = sum(records > 0 for records, _ in found.values())
    head = f"Of {len(found)} forms {read} are read without a flag, {len(found) - read} refused with the reason."
    lines = [f"| {name} | {_word(*found[name])} | {form} |" for name, form in NAMES.items()]
    return "\n".join([head, "", "| Set | Becomes | Shown by |", "|---|---|---|", *lines]) + "\n"


def _word(records: int, reasons: list[str]) -> str:
    told_why = "; ".join(dict.fromkeys(reason.replace("|", "/") for reason in reasons))
    if not records:
        return f"refused: {told_why}"
    return f"read; of its rows refused: {told_why}" if reasons else "read"


if __name__ == "__main__":
    place = Path(__file__).resolve().parents[1] / "docs" / "published.md"
    place.write_text(place.read_text("utf-8").partition("Of ")[0] + page(), "utf-8")
