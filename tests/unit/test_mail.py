"""What a mail takes and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import Address, Attachment, InvalidMail, ListUnsubscribe, Mail
from outbox.core import limits
from outbox.core.row import mail_of
from tests.conftest import make_mail


def fields_of(error: pytest.ExceptionInfo[InvalidMail]) -> set[str]:
    return {problem.field for problem in error.value.problems}


@pytest.mark.parametrize(
    "address",
    ["a..b.@docomo.ne.jp", ".start@ezweb.ne.jp", "日本@例え.jp", "a+b@c.de", "x" * 248 + "@b.cde"],
)
def test_takes_addresses_the_api_may_know_better(address):
    """An address with dots in odd places, or of another script, is left to the API."""
    assert make_mail(to=address).to.email == address


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "a@b@example.com",
        "",
        "nobody",
        "a@b",
        "@example.com",
        "name@",
        "a b@example.com",
        "x" * 250 + "@b.cd",
    ],
)
def test_refuses_what_is_no_address(address):
    """Text that is no address is refused, naming the field."""
    with pytest.raises(InvalidMail) as error:
        make_mail(to=address)
    assert fields_of(error) == {"to"}


@pytest.mark.parametrize(
    ("text", "name", "email"),
    [
        ("Taro <taro@example.com>", "Taro", "taro@example.com"),
        ('"Tanaka, Taro" <taro@example.com>', "Tanaka, Taro", "taro@example.com"),
        ('"He said \\"hi\\"" <taro@example.com>', 'He said "hi"', "taro@example.com"),
        ("<taro@example.com>", "", "taro@example.com"),
        ("  taro@example.com ", "", "taro@example.com"),
        ("田中 太郎 <taro@example.com>", "田中 太郎", "taro@example.com"),
    ],
)
def test_reads_and_writes_an_address_with_a_name(text, name, email):
    """An address is read with its name, and what it writes reads the same again."""
    address = Address.parse(text)
    assert (address.name, address.email) == (name, email)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "name", "email"),
    [
        ('"a <b> c" <taro@example.com>', "a <b> c", "taro@example.com"),
        ('"A" of "B" <taro@example.com>', 'A" of "B', "taro@example.com"),
        ("\t Taro \t<\ttaro@example.com > ", "Taro", "taro@example.com"),
        ("Taro<taro@example.com>", "Taro", "taro@example.com"),
        ('"' + '\\"' * 256 + '" <taro@example.com>', '"' * 256, "taro@example.com"),
    ],
)
def test_reads_a_name_in_quotes_and_blanks_around_everything(text, name, email):
    """Brackets may stand in a quoted name; blanks and tabs around name and address mean nothing."""
    address = Address.parse(text)
    assert (address.name, address.email) == (name, email)


@pytest.mark.parametrize(
    "text", ["taro@example.com<", "<", "a <b> <taro@example.com>", "Taro <taro@example.com> x", ">"]
)
def test_refuses_an_address_whose_brackets_do_not_match(text):
    """What is neither an address alone nor one in brackets at the end is none."""
    with pytest.raises(InvalidMail, match="to: is not one address"):
        make_mail(to=text)


@pytest.mark.parametrize("text", [" " * 5000 + "a@example.com", "a" * 5000 + " <a@example.com>", '"' * 400_000])
def test_measures_an_address_before_it_reads_it(text):
    """A text that is far longer than any address is refused by its length, with field, rule and size."""
    with pytest.raises(InvalidMail) as error:
        make_mail(to=text)
    assert str(error.value) == f"to: has {len(text)} characters; at most 2000 are allowed"


INJECTIONS = ["\r\nBcc: thief@example.com", "\n", "\r", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028"]


@pytest.mark.parametrize("bad", INJECTIONS)
@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("sender", lambda bad: {"sender": f"Shop{bad} <shop@example.com>"}),
        ("sender", lambda bad: {"sender": f"shop{bad}@example.com"}),
        ("to", lambda bad: {"to": f"taro@example.com{bad}x"}),
        ("cc[0]", lambda bad: {"cc": [f"taro@example.com{bad}x"]}),
        ("bcc[0]", lambda bad: {"bcc": [f"taro@example.com{bad}x"]}),
        ("reply_to", lambda bad: {"reply_to": f"a{bad}b <taro@example.com>"}),
        ("subject", lambda bad: {"subject": f"Hello{bad}"}),
        ("list_unsubscribe.mailto", lambda bad: {"list_unsubscribe": ListUnsubscribe(mailto=f"mailto:a@b.cd{bad}")}),
        ("list_unsubscribe.url", lambda bad: {"list_unsubscribe": ListUnsubscribe(url=f"https://a.example/{bad}")}),
        ("insert_code", lambda bad: {"subject": "Dear __name__", "insert_code": {"name": f"Taro{bad}"}}),
        ("tags", lambda bad: {"tags": [f"a{bad}"]}),
    ],
)
def test_refuses_control_characters_where_a_header_could_be_injected(field, parts, bad):
    """No line break and no control character gets into anything that becomes a header."""
    with pytest.raises(InvalidMail) as error:
        make_mail(**parts(bad))
    assert field in fields_of(error)


def test_refuses_control_characters_in_the_name_of_an_attachment():
    """A file name is a header of its part."""
    with pytest.raises(InvalidMail):
        Attachment('a"\r\nX: y.txt', b"x")


def test_takes_line_breaks_in_a_variable_of_the_body():
    """A variable that is only used in the body may have lines."""
    assert (
        make_mail(text="__address__", insert_code={"address": "Street 1\nTown"}).insert_code["address"].endswith("Town")
    )


@pytest.mark.parametrize(
    ("field", "limit", "parts"),
    [
        ("subject", 256, {"subject": "x" * 257}),
        ("text", 30720, {"text": "あ" * 10241}),
        ("html", 71680, {"html": "x" * 71681}),
        ("cc", 10, {"cc": ["a@example.com"] * 11}),
        ("bcc", 10, {"bcc": ["a@example.com"] * 11}),
        ("sender", 50, {"sender": "x" * 51 + " <a@example.com>"}),
        ("reply_to", 50, {"reply_to": "x" * 51 + " <a@example.com>"}),
        ("insert_code", 50, {"insert_code": {f"k{n}": "v" for n in range(51)}}),
        ("list_unsubscribe.url", 450, {"list_unsubscribe": ListUnsubscribe(url="https://" + "x" * 443)}),
        ("attachments", 100, {"attachments": [Attachment("a.txt", b"x")] * 101}),
        ("mail", limits.TEXTS_BYTES, {"insert_code": {"a": "x" * limits.TEXTS_BYTES}}),
    ],
)
def test_names_field_limit_and_size_of_what_is_too_large(field, limit, parts):
    """Too much of something is refused with its name, its limit and its size."""
    with pytest.raises(InvalidMail) as error:
        make_mail(**parts)
    assert fields_of(error) == {field}
    assert str(limit) in str(error.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"subject": "x" * 256},
        {"text": "あ" * 10240},
        {"html": "x" * 71680},
        {"cc": ["a@example.com"] * 10},
        {"insert_code": {f"k{n}": "v" for n in range(50)}},
        {"insert_code": {"a" * 16: "v"}},
        {"insert_code": {"a": "x" * (limits.TEXTS_BYTES - 100)}},
        {"attachments": [Attachment("a.txt", b"x" * 10_000_000)]},
        {"list_unsubscribe": ListUnsubscribe(url="https://" + "x" * 442)},
    ],
)
def test_takes_what_just_fits(parts):
    """The limits themselves are allowed."""
    assert make_mail(**parts)


@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("text", {"text": "", "html": ""}),
        ("subject", {"subject": ""}),
        ("subject", {"subject": 5}),
        ("encoding", {"encoding": "Shift_JIS"}),
        ("on_unknown", {"on_unknown": "maybe"}),
        ("urgent", {"urgent": "yes"}),
        ("insert_code", {"insert_code": {"first name": "x"}}),
        ("insert_code['a']", {"insert_code": {"a": 1}}),
        ("list_unsubscribe", {"list_unsubscribe": ListUnsubscribe()}),
        ("list_unsubscribe.mailto", {"list_unsubscribe": ListUnsubscribe(mailto="a@b.cd")}),
        ("list_unsubscribe.url", {"list_unsubscribe": ListUnsubscribe(url="ftp://example.com")}),
        ("tags", {"tags": [""]}),
        ("tags", {"tags": "abc"}),
        ("tags", {"tags": {"a": 1}}),
        ("tags", {"tags": ["x" * 101]}),
        ("to", {"to": "x" * 257 + " <a@example.com>"}),
        ("cc", {"cc": ["x" * 257 + " <a@example.com>"]}),
        ("reply_to", {"reply_to": 0}),
        ("insert_code", {"insert_code": False}),
        ("list_unsubscribe", {"list_unsubscribe": {"url": "https://example.com"}}),
        ("list_unsubscribe", {"list_unsubscribe": "https://example.com"}),
        ("cc[0]", {"cc": [5]}),
        ("text", {"text": "\ud800"}),
    ],
)
def test_refuses_what_no_mail_can_be(field, parts):
    """Missing, mistyped and unknown values are refused, naming the field."""
    with pytest.raises(InvalidMail) as error:
        make_mail(**parts)
    assert field in fields_of(error)


@pytest.mark.parametrize("name", sorted(limits.COUNTS))
def test_counts_the_parts_of_a_list_before_it_reads_them(name):
    """However many there are, no more are looked at than a mail may have."""
    many = {"insert_code": {f"k{number}": 5 for number in range(1000)}, "attachments": [5] * 1000}
    with pytest.raises(InvalidMail) as error:
        make_mail(**{name: many.get(name, ["nobody"] * 1000)})
    assert 1 <= len(error.value.problems) <= limits.COUNTS[name][0] + 1


def test_names_every_field_that_is_wrong_at_once():
    """A form can show all mistakes beside their fields."""
    with pytest.raises(InvalidMail) as error:
        make_mail(subject="", text="", cc=["a@example.com"] * 11)
    assert fields_of(error) == {"subject", "text", "cc"}


def test_reads_an_attachment_from_disk(tmp_path):
    """A file's name and type come from its path."""
    (tmp_path / "請求書.pdf").write_bytes(b"%PDF")
    attachment = Attachment.from_path(tmp_path / "請求書.pdf")
    assert (attachment.name, attachment.mime) == ("請求書.pdf", "application/pdf")
    assert attachment.content == tmp_path / "請求書.pdf"


def test_keeps_bodies_out_of_an_attachments_repr():
    """An attachment can be logged by accident without its content."""
    assert "secret" not in repr(Attachment("a.txt", b"secret"))


def test_changes_a_mail_only_into_another_valid_mail():
    """A correction is checked like a new mail."""
    assert make_mail().but(to="hanako@example.com").to.email == "hanako@example.com"
    with pytest.raises(InvalidMail):
        make_mail().but(to="nobody")
    with pytest.raises(InvalidMail):
        make_mail().but(colour="red")


def test_fingerprint_is_the_same_for_the_same_mail_only():
    """The same mail has the same fingerprint, in any order of its variables; another mail has another."""
    one = make_mail(insert_code={"a": "1", "b": "2"})
    assert one.fingerprint == make_mail(insert_code={"b": "2", "a": "1"}).fingerprint
    assert one.fingerprint != one.but(text="Other.").fingerprint
    with_file = make_mail(attachments=[Attachment("a.txt", b"1")])
    assert with_file.fingerprint != make_mail(attachments=[Attachment("a.txt", b"2")]).fingerprint


letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))
words = st.text(letters, min_size=1, max_size=40)
addresses = st.builds(Address, st.just("taro@example.com"), st.text(letters, max_size=40))


@given(
    st.builds(
        make_mail,
        subject=words,
        text=words,
        html=st.text("<>&ab\n", max_size=20),
        sender=addresses,
        cc=st.lists(addresses, max_size=3),
        reply_to=st.none() | addresses,
        insert_code=st.dictionaries(st.text("abcXYZ019", min_size=1, max_size=16), words, max_size=3),
        tags=st.lists(words, max_size=3),
        urgent=st.booleans(),
        attachments=st.lists(st.builds(Attachment, st.just("a.txt"), st.binary(max_size=9)), max_size=2),
    )
)
def test_a_row_gives_back_the_mail_it_was_made_of(mail: Mail):
    """What is written on a row reads as the very same mail."""
    again = mail_of(mail.to_item())
    assert again == mail
    assert again.fingerprint == mail.fingerprint


def test_a_set_of_tags_has_one_fingerprint_in_every_process():
    """A retry from another process with the same key is the same mail."""
    import subprocess
    import sys

    code = (
        "from outbox import Mail; print(Mail(sender='a@b.example', to='a@b.example', subject='x', text='y',"
        " tags={'b', 'a', 'c', 'd'}).fingerprint)"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(prints) == 1


@pytest.mark.parametrize("parts", [(5,), ("a@b.co", None), (b"a@b.co",)])
def test_an_address_of_the_wrong_type_is_refused_as_such(parts):
    """No other error than InvalidMail comes out of it."""
    with pytest.raises(InvalidMail):
        Address(*parts)


def test_an_address_that_grows_too_long_in_an_index_is_refused():
    """One character may stand for eighteen: the key of a list or an index has no room for hundreds of those."""
    with pytest.raises(InvalidMail, match="to: the address has more than 2,048 bytes when it is written plainly"):
        make_mail(to="\ufdfa" * 200 + "@example.com")
    assert make_mail(to="\ufdfa" * 10 + "@example.com").to.email.startswith("\ufdfa")
