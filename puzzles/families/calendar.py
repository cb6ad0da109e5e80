"""Calendar: something is set on a weekday and moved step by step: on which day is it after step k."""

from puzzles.families.moves import Moves, Wording

CALENDAR = Moves(
    "calendar",
    {
        "en": Wording(
            values=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
            moves={"later": 1, "sooner": -1, "skip": 2},
            actors=("meeting", "dinner", "lecture", "match", "concert", "trip", "test", "party"),
            problem="The {actor} is on {start}. By one day, or two for a skip, it is moved:",
            question="On which day is it after step {step}?",
        ),
        "zh": Wording(
            values=tuple("一二三四五六日"),
            moves={"推": 1, "提": -1, "跳": 2},
            actors=("会议", "晚宴", "讲座", "比赛", "音乐会", "郊游", "考试", "聚会"),
            problem="{actor}定在星期{start}，依次改期（推、提为一天，跳为推两天）：",
            question="第{step}步后它在星期几？",
        ),
    },
)
