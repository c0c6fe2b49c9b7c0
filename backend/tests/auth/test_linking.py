"""The table of what happens when somebody comes from a provider, in every situation there is."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.auth.linking import (
    TABLE,
    LinkAction,
    LinkDecision,
    LinkRule,
    LinkSituation,
    LocalAccount,
    ProviderEmail,
    SignedInAs,
    decide,
    decision_table,
    every_situation,
)

SITUATIONS = list(every_situation())
PAGE = Path(__file__).parents[3] / "docs" / "decisions" / "0009-linking.md"
NEWCOMER = LinkSituation(
    identity_known=False,
    provider_email=ProviderEmail.VERIFIED,
    authority=True,
    local=LocalAccount.NONE,
    signed_in_as=SignedInAs.NOBODY,
    sign_up_open=True,
)
OUTCOMES = [(situation, decide(situation).action) for situation in SITUATIONS]
WRITING = {LinkAction.LINK, LinkAction.CREATE}
REFUSING = {LinkAction.ASK, LinkAction.REFUSE}


def decided(**changes: object) -> tuple[LinkAction, LinkRule]:
    """Return what happens to a newcomer with these changes."""
    decision = decide(replace(NEWCOMER, **changes))  # type: ignore[arg-type]  # Tests name the fields.
    return decision.action, decision.rule


def test_every_situation_is_there() -> None:
    """ID-06: the whole product."""
    assert len(SITUATIONS) == len(set(SITUATIONS)) == 2 * 3 * 2 * 3 * 3 * 2


def test_every_situation_is_decided_by_one_line_alone() -> None:
    """ID-06: no situation falls through, and the order of the lines does not matter."""
    for situation in SITUATIONS:
        assert [line.decision for line in TABLE if line.covers(situation)] == [decide(situation)], situation


def test_every_rule_decides_something_and_gives_a_reason() -> None:
    decisions = {decide(situation) for situation in SITUATIONS}
    assert Counter(decision.rule for decision in decisions) == dict.fromkeys(LinkRule, 1)
    assert {decision.action for decision in decisions} == set(LinkAction)
    assert all(decision.reason.endswith(".") for decision in decisions)


# What must never happen, in any situation.


def test_nothing_is_written_on_an_address_that_the_provider_has_not_verified() -> None:
    """ID-05, ID-06, 3.3-02"""
    for situation, action in OUTCOMES:
        if situation.provider_email is not ProviderEmail.VERIFIED:
            assert action not in WRITING, situation


def test_an_address_alone_never_signs_anybody_in() -> None:
    """ID-03, 3.3-01, 3.3-02: issuer and subject do, and nothing else."""
    for situation, action in OUTCOMES:
        if action is LinkAction.SIGN_IN:
            assert situation.identity_known, situation


def test_nothing_is_linked_to_an_account_whose_owner_is_not_here() -> None:
    """ID-06, 3.3-03: who is not signed in has proved nothing about any account here."""
    for situation, action in OUTCOMES:
        if action is LinkAction.LINK:
            assert situation.signed_in_as is not SignedInAs.NOBODY, situation


def test_an_identity_leads_to_its_owner_or_nowhere() -> None:
    """ID-03, 3.3-14: nobody's identity moves, whatever its address says now."""
    for situation, action in OUTCOMES:
        if situation.identity_known:
            other = situation.signed_in_as is SignedInAs.SOMEBODY_ELSE
            assert action is (LinkAction.REFUSE if other else LinkAction.SIGN_IN), situation


def test_the_address_of_a_known_identity_does_not_matter() -> None:
    """ID-03: nor whether sign-up is open."""
    for asker in SignedInAs:
        known = {decide(each) for each in SITUATIONS if each.identity_known and each.signed_in_as is asker}
        assert len(known) == 1


def test_an_account_that_somebody_proved_is_never_given_to_somebody_else() -> None:
    """ID-06, ID-07: an address that was proved here brings nothing to anybody but its owner."""
    for situation, action in OUTCOMES:
        if situation.local is LocalAccount.VERIFIED and action in WRITING:
            assert situation.signed_in_as is SignedInAs.OWNER, situation


def test_an_account_begins_for_a_stranger_while_sign_up_is_open_and_else_never() -> None:
    """ID-06: not for who is signed in, who would find themselves in another account than before."""
    for situation, action in OUTCOMES:
        if action is LinkAction.CREATE:
            assert situation.sign_up_open, situation
            assert situation.signed_in_as is SignedInAs.NOBODY, situation
            assert situation.local is not LocalAccount.VERIFIED, situation


def test_an_account_that_nobody_proved_gives_way_to_an_authority_alone() -> None:
    """ID-07, 3.3-02: else whoever administers any provider could take each unproved account by naming its address."""
    for situation, action in OUTCOMES:
        if action in WRITING and situation.local is LocalAccount.UNVERIFIED and not situation.authority:
            assert situation.signed_in_as is not SignedInAs.NOBODY, situation


def test_no_authority_opens_nothing() -> None:
    """ID-06: without it the same happens, or less."""
    for situation, action in OUTCOMES:
        without = decide(replace(situation, authority=False)).action
        assert without is action or (action is LinkAction.CREATE and without is LinkAction.ASK), situation


def test_closing_sign_up_opens_nothing() -> None:
    for situation, action in OUTCOMES:
        closed = decide(replace(situation, sign_up_open=False)).action
        assert closed is action or (action is LinkAction.CREATE and closed in REFUSING), situation


def test_whoever_does_not_own_the_address_learns_nothing_of_accounts() -> None:
    """V6.3.8: with an unverified address the answer is the same, whether an account has it or not."""
    for situation, _ in OUTCOMES:
        if situation.provider_email is not ProviderEmail.VERIFIED:
            assert {decide(replace(situation, local=local)) for local in LocalAccount} == {decide(situation)}, situation


# The stories.


def test_a_newcomer_gets_an_account() -> None:
    """ID-06"""
    assert decided() == (LinkAction.CREATE, LinkRule.NEW_ACCOUNT)
    assert decided(sign_up_open=False) == (LinkAction.REFUSE, LinkRule.SIGN_UP_CLOSED)


def test_who_has_a_proved_account_here_has_to_prove_it() -> None:
    """ID-06: with and without a second factor, because signing in asks for that."""
    assert decided(local=LocalAccount.VERIFIED) == (LinkAction.ASK, LinkRule.ACCOUNT_EXISTS)


def test_an_account_that_nobody_proved_gives_way_to_the_owner_of_its_address() -> None:
    """ID-07, 3.3-03, 3.3-05: registered first by an attacker."""
    assert decided(local=LocalAccount.UNVERIFIED) == (LinkAction.CREATE, LinkRule.UNPROVED_GIVES_WAY)
    other = decided(local=LocalAccount.UNVERIFIED, authority=False)
    assert other == (LinkAction.ASK, LinkRule.NO_AUTHORITY)
    closed = decided(local=LocalAccount.UNVERIFIED, sign_up_open=False)
    assert closed == (LinkAction.ASK, LinkRule.UNPROVED_IS_KEPT)


@pytest.mark.parametrize("local", [LocalAccount.UNVERIFIED, LocalAccount.VERIFIED])
def test_the_owner_links_in_their_settings(local: LocalAccount) -> None:
    """ID-06"""
    assert decided(local=local, signed_in_as=SignedInAs.OWNER) == (LinkAction.LINK, LinkRule.OWNER_LINKS)


@pytest.mark.parametrize("local", [LocalAccount.NONE, LocalAccount.UNVERIFIED])
def test_an_identity_with_another_address_can_be_linked(local: LocalAccount) -> None:
    """ID-06: somebody who wrote that address here without proof cannot stop its owner."""
    assert decided(local=local, signed_in_as=SignedInAs.SOMEBODY_ELSE) == (LinkAction.LINK, LinkRule.ADDRESS_IS_NEW)


def test_an_identity_with_the_proved_address_of_another_account_is_not_linked() -> None:
    """ID-06, 3.3-14"""
    other = decided(local=LocalAccount.VERIFIED, signed_in_as=SignedInAs.SOMEBODY_ELSE)
    assert other == (LinkAction.ASK, LinkRule.ADDRESS_OF_ANOTHER)


def test_a_situation_that_contradicts_itself_is_refused() -> None:
    """ID-09: a fault in what led to it must not let anybody in."""
    assert decided(signed_in_as=SignedInAs.OWNER) == (LinkAction.REFUSE, LinkRule.CONTRADICTION)


# The page.


def test_the_table_of_the_page_is_the_one_that_decides() -> None:
    assert decision_table() in PAGE.read_text(encoding="utf-8")


def test_the_table_says_every_rule_and_reason_once() -> None:
    table = decision_table()
    lines = table.splitlines()
    assert len(lines) == len(LinkRule) + 2
    assert {line.count("|") for line in lines} == {10}
    for decision in {decide(situation) for situation in SITUATIONS}:
        assert isinstance(decision, LinkDecision)
        assert table.count(f"**{decision.action}** | `{decision.rule}` | {decision.reason} |") == 1
