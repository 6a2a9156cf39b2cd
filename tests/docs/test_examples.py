"""`make examples` writes what Python answers, and nothing else."""

from docs.make_examples import filled

PAGE = """\
Before.

```pycon
>>> x = [1, 2]
>>> for y in x:
...     print(y)
wrong

>>> x
>>> 1 / 0
Traceback (most recent call last):
ZeroDivisionError: division by zero
```

Between.

```pycon
>>> sum(x)  # the page is one session
```

```python
sum(y)
```
"""


def test_answers_are_put_in_and_the_rest_stays() -> None:
    new = filled(PAGE)
    assert new == PAGE.replace("wrong", "1\n2").replace(">>> x\n", ">>> x\n[1, 2]\n").replace(
        "session\n", "session\n3\n"
    )
    assert filled(new) == new
