import pytest
from snippets import Snippet, extract

DOCUMENT = """\
# Title
Source: https://example.org/guides/first
## One
```python Python {"theme": null}
a = 1
```
```py
# not a heading
b = 2
```
```shell
# not a heading either
```
## Two
```java
never closed
```python
c = 3
```
"""


def test_snippets_are_named_by_page_heading_and_number():
    assert [(snippet.name, snippet.text) for snippet in extract(DOCUMENT, "start")] == [
        ("guides/first > One #1", "a = 1"),
        ("guides/first > One #2", "# not a heading\nb = 2"),
        ("guides/first > Two #1", "c = 3"),
    ]


def test_a_page_without_a_source_has_the_name_of_its_file():
    (snippet,) = extract("# Title\n```python\nx\n```\n", "tutorial")
    assert snippet.name == "tutorial > Title #1"


def test_depths_restore_the_indentation():
    snippet = Snippet(name="n", text="if a:\nb()\n  c()")
    assert snippet.indented("011") == "if a:\n    b()\n    c()"
    assert snippet.indented("") == "if a:\nb()\nc()"


def test_depths_of_another_text_are_refused():
    with pytest.raises(ValueError, match="3 lines, but depths of 2"):
        Snippet(name="n", text="a\nb\nc").indented("01")


def test_a_change_of_the_text_changes_the_digest():
    assert Snippet(name="n", text="a").digest != Snippet(name="n", text="b").digest
