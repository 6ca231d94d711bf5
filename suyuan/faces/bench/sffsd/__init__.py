"""`suyuan bench sffsd`: the model on data that nobody here made, under the protocols of those who published on it.

S-FFSD is a table of 77,881 simulated card payments: sender, receiver, amount, place, type, and a label that is bad,
good or unknown. Features are those of the platform, measured by its own replay over its own kind of rows (`features`);
the protocols are those of two published graph networks, and one in the order of time (`protocols`).
"""
