"""Decides what happens when somebody comes from a provider: sign in, link, create, ask or refuse.

One table, read by the program, by its test and by the page in docs/decisions. Nothing is changed here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class ProviderEmail(StrEnum):
    """What the provider says of the address that it names."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    ABSENT = "absent"


class LocalAccount(StrEnum):
    """The account here that has the address which the provider names, if there is one."""

    NONE = "none"
    UNVERIFIED = "unverified"
    """Somebody wrote this address; nobody has proved to own it."""
    VERIFIED = "verified"


class SignedInAs(StrEnum):
    """Who asked here, with a fresh proof, that the identity be added to their account. Signing in asks as nobody."""

    NOBODY = "nobody"
    OWNER = "owner"
    """Of the identity; while that is unknown, of the account with the address."""
    SOMEBODY_ELSE = "somebody_else"


class LinkAction(StrEnum):
    """What is to be done."""

    SIGN_IN = "sign_in"
    """Nothing changes. Who the identity belongs to comes in, or is in already."""
    LINK = "link"
    """The identity is added to the account of whoever is signed in."""
    CREATE = "create"
    """A new account begins, with the identity as the only way in."""
    ASK = "ask"
    """Nothing is written. The user may sign in to the account that has the address, and add the identity there."""
    REFUSE = "refuse"
    """Nothing is written."""


class LinkRule(StrEnum):
    """Which line of the table decided. The values are stable: they stand in logs and answers."""

    KNOWN_IDENTITY = "known_identity"
    ALREADY_LINKED = "already_linked"
    IDENTITY_OF_ANOTHER = "identity_of_another"
    ADDRESS_NOT_VERIFIED = "address_not_verified"
    OWNER_LINKS = "owner_links"
    ADDRESS_IS_NEW = "address_is_new"
    ADDRESS_OF_ANOTHER = "address_of_another"
    NEW_ACCOUNT = "new_account"
    SIGN_UP_CLOSED = "sign_up_closed"
    UNPROVED_GIVES_WAY = "unproved_gives_way"
    UNPROVED_IS_KEPT = "unproved_is_kept"
    NO_AUTHORITY = "no_authority"
    ACCOUNT_EXISTS = "account_exists"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True)
class LinkSituation:
    """Everything that counts when somebody comes from a provider, and nothing else."""

    identity_known: bool
    """Whether issuer and subject belong to an account already."""
    provider_email: ProviderEmail
    authority: bool
    """Whether the provider hands out the mailboxes of the address's domain."""
    local: LocalAccount
    signed_in_as: SignedInAs
    sign_up_open: bool


@dataclass(frozen=True, slots=True)
class LinkDecision:
    """What is to be done, by which rule, and why in one sentence."""

    action: LinkAction
    rule: LinkRule
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: the situations that it covers, where None is any, and what it decides."""

    decision: LinkDecision
    identity_known: bool
    provider_email: tuple[ProviderEmail, ...] | None = None
    local: tuple[LocalAccount, ...] | None = None
    signed_in_as: tuple[SignedInAs, ...] | None = None
    sign_up_open: bool | None = None
    authority: bool | None = None

    def covers(self, situation: LinkSituation) -> bool:
        """Whether this line decides a situation."""
        return (
            self.identity_known == situation.identity_known
            and (self.provider_email is None or situation.provider_email in self.provider_email)
            and (self.local is None or situation.local in self.local)
            and (self.signed_in_as is None or situation.signed_in_as in self.signed_in_as)
            and self.sign_up_open in {None, situation.sign_up_open}
            and self.authority in {None, situation.authority}
        )


def decide(situation: LinkSituation) -> LinkDecision:
    """Return what happens in a situation. Every situation is covered by one line of the table, and by one only."""
    return next(line.decision for line in TABLE if line.covers(situation))


def every_situation() -> Iterator[LinkSituation]:
    """Yield every situation there is, those that contradict themselves as well."""
    for parts in product((True, False), ProviderEmail, (True, False), LocalAccount, SignedInAs, (True, False)):
        yield LinkSituation(*parts)


def decision_table() -> str:
    """Return the table in Markdown."""
    head = "| identity | provider's address | authority | account with it | signed in as | sign-up | decision | rule | why |"
    return "\n".join([head, "| --- " * 9 + "|", *(_row(line) for line in TABLE)])


def _row(line: Line) -> str:
    cells = [
        "known" if line.identity_known else "new",
        _values(line.provider_email),
        {True: "yes", False: "no", None: "any"}[line.authority],
        _values(line.local),
        _values(line.signed_in_as),
        {True: "open", False: "closed", None: "any"}[line.sign_up_open],
        f"**{line.decision.action}**",
        f"`{line.decision.rule}`",
        line.decision.reason,
    ]
    return f"| {' | '.join(cells)} |"


def _values(allowed: tuple[StrEnum, ...] | None) -> str:
    return "any" if allowed is None else " or ".join(value.replace("_", " ") for value in allowed)


_VERIFIED = (ProviderEmail.VERIFIED,)
TABLE = (
    Line(
        LinkDecision(
            LinkAction.SIGN_IN, LinkRule.KNOWN_IDENTITY, "Issuer and subject are the key; addresses may change."
        ),
        identity_known=True,
        signed_in_as=(SignedInAs.NOBODY,),
    ),
    Line(
        LinkDecision(LinkAction.SIGN_IN, LinkRule.ALREADY_LINKED, "It belongs to this account already."),
        identity_known=True,
        signed_in_as=(SignedInAs.OWNER,),
    ),
    Line(
        LinkDecision(
            LinkAction.REFUSE, LinkRule.IDENTITY_OF_ANOTHER, "An identity never moves; its owner may remove it."
        ),
        identity_known=True,
        signed_in_as=(SignedInAs.SOMEBODY_ELSE,),
    ),
    Line(
        LinkDecision(LinkAction.REFUSE, LinkRule.ADDRESS_NOT_VERIFIED, "Without proof, anybody can name any address."),
        identity_known=False,
        provider_email=(ProviderEmail.UNVERIFIED, ProviderEmail.ABSENT),
    ),
    Line(
        LinkDecision(LinkAction.LINK, LinkRule.OWNER_LINKS, "Both sides are proved, and have one address."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.UNVERIFIED, LocalAccount.VERIFIED),
        signed_in_as=(SignedInAs.OWNER,),
    ),
    Line(
        LinkDecision(
            LinkAction.LINK,
            LinkRule.ADDRESS_IS_NEW,
            "Both sides are proved, and nobody else has proved this address here.",
        ),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.NONE, LocalAccount.UNVERIFIED),
        signed_in_as=(SignedInAs.SOMEBODY_ELSE,),
    ),
    Line(
        LinkDecision(LinkAction.ASK, LinkRule.ADDRESS_OF_ANOTHER, "The address has a proved account of its own."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.VERIFIED,),
        signed_in_as=(SignedInAs.SOMEBODY_ELSE,),
    ),
    Line(
        LinkDecision(LinkAction.ASK, LinkRule.ACCOUNT_EXISTS, "Its owner has to prove it here as well."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.VERIFIED,),
        signed_in_as=(SignedInAs.NOBODY,),
    ),
    Line(
        LinkDecision(
            LinkAction.CREATE,
            LinkRule.UNPROVED_GIVES_WAY,
            "The address is the comer's. Everything that was put there without proof dies.",
        ),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.UNVERIFIED,),
        signed_in_as=(SignedInAs.NOBODY,),
        sign_up_open=True,
        authority=True,
    ),
    Line(
        LinkDecision(
            LinkAction.ASK,
            LinkRule.NO_AUTHORITY,
            "The provider does not hand out this mailbox; it may be somebody else's.",
        ),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.UNVERIFIED,),
        signed_in_as=(SignedInAs.NOBODY,),
        sign_up_open=True,
        authority=False,
    ),
    Line(
        LinkDecision(
            LinkAction.ASK,
            LinkRule.UNPROVED_IS_KEPT,
            "With sign-up closed, an administrator made the account for somebody.",
        ),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.UNVERIFIED,),
        signed_in_as=(SignedInAs.NOBODY,),
        sign_up_open=False,
    ),
    Line(
        LinkDecision(LinkAction.CREATE, LinkRule.NEW_ACCOUNT, "Nobody here has this address."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.NONE,),
        signed_in_as=(SignedInAs.NOBODY,),
        sign_up_open=True,
    ),
    Line(
        LinkDecision(LinkAction.REFUSE, LinkRule.SIGN_UP_CLOSED, "No account is made."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.NONE,),
        signed_in_as=(SignedInAs.NOBODY,),
        sign_up_open=False,
    ),
    Line(
        LinkDecision(LinkAction.REFUSE, LinkRule.CONTRADICTION, "Nobody can own an account that there is not."),
        identity_known=False,
        provider_email=_VERIFIED,
        local=(LocalAccount.NONE,),
        signed_in_as=(SignedInAs.OWNER,),
    ),
)
