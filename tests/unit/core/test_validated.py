from __future__ import annotations

import pytest
from pydantic import Field, model_validator

from healthcare_ops.core.errors import ConfigError, ExitCode, NotFoundError
from healthcare_ops.core.validated import Strict, read_toml


class Bed(Strict):
    label: str
    width_cm: int = Field(default=90, ge=1)


class Ward(Strict):
    next_step = "See the ward's manual."

    name: str
    beds: tuple[Bed, ...] = ()
    limits: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_not_too_large(self):
        if len(self.beds) > 2:
            raise ValueError(f"{len(self.beds)} beds are more than the ward has room for")
        return self


@pytest.fixture
def refusal(tmp_path):
    """Return a function that writes a ward file and returns the error of reading it."""

    def read(content):
        path = tmp_path / "ward.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigError) as caught:
            read_toml(path, Ward)
        return caught.value

    return read


def test_a_sound_file_is_read_with_its_defaults(tmp_path):
    (tmp_path / "ward.toml").write_text('name = "Clínica médica"\n[[beds]]\nlabel = "12-A"\n', encoding="utf-8")

    ward = read_toml(tmp_path / "ward.toml", Ward)

    assert ward == Ward(name="Clínica médica", beds=(Bed(label="12-A", width_cm=90),))


def test_what_was_read_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Ward(name="Ward").name = "Other"


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ('name = "W"\nroom = 7', "unknown key `room` = 7."),
        ('name = "W"\n[[beds]]\nlabel = "1"\nlable = "2"', "unknown key `beds.0.lable` = '2'."),
        ("", "key `name` is missing."),
        ('name = "W"\n[[beds]]\nlabel = "1"\n[[beds]]\nwidth_cm = 80', "key `beds.1.label` is missing."),
        ("name = 5", "key `name` = 5: Input should be a valid string."),
        (
            'name = "W"\n[[beds]]\nlabel = "1"\nwidth_cm = 0',
            "key `beds.0.width_cm` = 0: Input should be greater than or equal to 1.",
        ),
        (
            'name = "W"\nlimits = { "A b" = "many" }',
            "key `limits.A b` = 'many': Input should be a valid integer, unable to parse string as an integer.",
        ),
        ("name = 5\nroom = 7", "key `name` = 5: Input should be a valid string. unknown key `room` = 7."),
        # A rule between keys speaks for itself; the whole file is not repeated.
        (
            'name = "W"\nbeds = [{ label = "1" }, { label = "2" }, { label = "3" }]',
            "3 beds are more than the ward has room for.",
        ),
    ],
)
def test_a_mistake_is_told_with_key_value_and_file(refusal, tmp_path, content, finding):
    error = refusal(content)

    assert error.message == f"{tmp_path / 'ward.toml'}: {finding}"
    assert error.next_step == "See the ward's manual."
    assert error.exit_code is ExitCode.CONFIG


def test_a_model_without_advice_of_its_own_still_says_what_to_do(tmp_path):
    (tmp_path / "bed.toml").write_text("width_cm = 90")

    with pytest.raises(ConfigError, match="Correct the key, or delete it for its default"):
        read_toml(tmp_path / "bed.toml", Bed)


def test_a_file_that_is_not_toml_is_told_with_the_place_of_the_fault(refusal, tmp_path):
    error = refusal('name = "W"\nbeds = \n')

    assert error.message.startswith(f"{tmp_path / 'ward.toml'} is not valid TOML: ")
    assert "line 2" in error.message
    assert error.exit_code is ExitCode.CONFIG


def test_a_file_in_another_encoding_is_told_with_the_byte(refusal, tmp_path):
    error = refusal('name = "Clínica"'.encode("latin-1"))

    assert error.message.startswith(f"{tmp_path / 'ward.toml'} cannot be read: ")
    assert "0xed" in error.message
    assert error.next_step == "Save it as UTF-8 text."
    assert error.exit_code is ExitCode.CONFIG


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as refusal:
        read_toml(tmp_path / "none.toml", Ward)

    assert refusal.value.message == f"{tmp_path / 'none.toml'} does not exist."
    assert refusal.value.exit_code is ExitCode.NOT_FOUND


def test_a_folder_is_not_a_file_to_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path, Ward)


@pytest.mark.parametrize("value", ["[" * 3_000 + "]" * 3_000, "9" * 5_000], ids=["nested", "long"])
def test_a_value_without_end_is_a_mistake_in_the_file(refusal, tmp_path, value):
    error = refusal(f"name = {value}")

    assert error.message.startswith(f"{tmp_path / 'ward.toml'} is not valid TOML: ")
