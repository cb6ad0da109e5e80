"""Seasons: a scene is set in a season and moved step by step: in which season is it after step k."""

from puzzles.families.moves import Moves, Wording

SEASONS = Moves(
    "seasons",
    {
        "en": Wording(
            values=("spring", "summer", "autumn", "winter"),
            moves={"onward": 1, "backward": -1, "leap": 2},
            actors=("play", "novel", "film", "song", "poem", "painting", "tale", "dance"),
            problem="The {actor} is set in {start}. By one season, or two for a leap, it is moved:",
            question="In which season is it set after step {step}?",
        ),
        "zh": Wording(
            values=("春", "夏", "秋", "冬"),
            moves={"进": 1, "退": -1, "越": 2},
            actors=("话剧", "小说", "电影", "歌曲", "诗歌", "油画", "故事", "舞蹈"),
            problem="{actor}的背景是{start}季，依次变动（进、退为一季，越为进两季）：",
            question="第{step}步后背景是哪季？",
        ),
    },
)
