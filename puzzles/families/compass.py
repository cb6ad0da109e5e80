"""Compass: something faces a direction and turns step by step: which way does it face after step k."""

from puzzles.families.moves import Moves, Wording

COMPASS = Moves(
    "compass",
    {
        "en": Wording(
            values=("north", "east", "south", "west"),
            moves={"right": 1, "back": 2, "left": 3},
            actors=("robot", "ship", "drone", "truck", "plane", "horse", "guard", "camera"),
            problem="The {actor} faces {start}. It then turns:",
            question="Which way does it face after step {step}?",
        ),
        "zh": Wording(
            values=("北", "东", "南", "西"),
            moves={"右": 1, "后": 2, "左": 3},
            actors=("机器人", "轮船", "无人机", "卡车", "飞机", "白马", "哨兵", "相机"),
            problem="{actor}面朝{start}，依次转向：",
            question="第{step}步后它朝哪边？",
        ),
    },
)
