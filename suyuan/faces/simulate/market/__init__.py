"""A market in one process: a month of honest trade and 17 kinds of fraud against the real defence, from one seed.

Nothing here touches a platform. The world has a set clock and knows the truth; what it shows to the defence are the
rows of `risk.row` and the facts of `risk.inputs`, as the line would make them, and labels that arrive late or never.

| module | what it holds |
|---|---|
| `parties`, `places`, `goods` | who and what there is: accounts, devices, contracts, networks, cards and their fate |
| `people`, `visitors` | the honest: casual and heavy sellers, families, shops, travellers, gifts of companies |
| `playbooks`, `crews` | the dishonest: what each family does, and how it learns from being refused |
| `caps` | the limits of `settle`, counted in memory |
| `books` | money of the market, in double entry |
| `defence` | what stands between: nothing, a coin, or catalogue, policy and model |
| `sight`, `world` | what the platform sees of an offer; the clock, and one attempt from the knock to the money |
| `month` | puts all of it together |

Laws: the same seed gives the same world; honest people never depend on which families there are; the books balance;
a card that was offered is counted once, however often it is tried; nobody honest is ever bad in truth, whatever the
labels say.
"""
