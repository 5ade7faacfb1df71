"""The text of the help: keys by topic, in one or two columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from textual.content import Content

TWO_COLUMNS_FROM = 100
COLUMN_GAP = 3


@dataclass(frozen=True)
class HelpTopic:
    """A heading and the rows below it.

    Attributes:
        rows: pairs of keys, separated by blanks, and what they do.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


def matching_topics(topics: Sequence[HelpTopic], typed_text: str) -> list[HelpTopic]:
    """Return the rows that match a typed text, under their topics.

    If the text is a key, these are the rows of that key. Otherwise they are the rows where each typed word is the
    beginning of a word in the description or in the topic's title.
    """
    typed_words = typed_text.lower().split()

    def is_of_key(_: HelpTopic, row: tuple[str, str]) -> bool:
        return typed_text.strip() in row[0].split()

    def has_words(topic: HelpTopic, row: tuple[str, str]) -> bool:
        row_text = f" {row[1]} {topic.title}".lower().replace("(", "")
        return all(f" {typed_word}" in row_text for typed_word in typed_words)

    return _filter_rows(topics, is_of_key) or _filter_rows(topics, has_words)


def _filter_rows(
    topics: Sequence[HelpTopic], row_matches: Callable[[HelpTopic, tuple[str, str]], bool]
) -> list[HelpTopic]:
    kept_topics = [
        HelpTopic(topic.title, tuple(row for row in topic.rows if row_matches(topic, row))) for topic in topics
    ]
    return [topic for topic in kept_topics if topic.rows]


def help_page(topics: Sequence[HelpTopic], width: int) -> Content:
    """Return the topics one below the other, or in two columns of about the same height if `width` allows it."""
    if not topics:
        return Content.styled("nothing matches", "$text-muted")
    topic_columns, column_width = [list(topics)], width
    if width >= TWO_COLUMNS_FROM:
        topic_columns, column_width = _halves(topics), (width - COLUMN_GAP) // 2
    key_width = min(max(len(keys) for topic in topics for keys, _ in topic.rows), column_width // 3)
    columns_of_lines = [_column_lines(topic_column, key_width, column_width) for topic_column in topic_columns]
    page_lines = [
        Content("").join(
            [column_line.pad_right(column_width + COLUMN_GAP - len(column_line)) for column_line in row[:-1]]
            + [row[-1]]
        )
        for row in zip_longest(*columns_of_lines, fillvalue=Content(""))
    ]
    return Content("\n").join(page_lines)


def _halves(topics: Sequence[HelpTopic]) -> list[list[HelpTopic]]:
    """Divide the topics, in their order, so that the longer half is as short as possible."""
    topic_heights = [len(topic.rows) + 2 for topic in topics]
    cut_index = min(
        range(len(topics) + 1),
        key=lambda cut_index: max(sum(topic_heights[:cut_index]), sum(topic_heights[cut_index:])),
    )
    return [list(topics[:cut_index]), list(topics[cut_index:])]


def _column_lines(topics: Sequence[HelpTopic], key_width: int, column_width: int) -> list[Content]:
    column_lines: list[Content] = []
    for topic in topics:
        if column_lines:
            column_lines.append(Content(""))
        column_lines.append(Content.styled(topic.title, "bold"))
        for keys, description in topic.rows:
            wrapped_row = zip_longest(
                wrap(keys, key_width), wrap(description, column_width - key_width - 2), fillvalue=""
            )
            column_lines += [
                Content.assemble((keys_line.ljust(key_width), "bold $accent"), f"  {description_line}")
                for keys_line, description_line in wrapped_row
            ]
    return column_lines
