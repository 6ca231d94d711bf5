"""What must stay closed: personal data and card PINs are sealed at the door and opened only with an authority.

Reading takes an `Authority` as an argument, so a search for that word finds every reader; only `flows` may import
`privacy.grant`, where authorities are minted. Erasing a person destroys keys, not rows.
"""
