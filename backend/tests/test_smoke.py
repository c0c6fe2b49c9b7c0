from tests.accounts import Accounts


async def test_a_newcomer_registers_signs_in_and_signs_out(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    assert (await ada.get("/auth/me")).json()["id"] == ada.id
    assert (await ada.post("/auth/logout")).status_code == 204
    assert (await ada.get("/auth/me")).status_code == 401
