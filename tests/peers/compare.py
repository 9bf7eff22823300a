"""Asks everyone the same, and sorts the differences into classes."""

import collections

CLASSES = []

def compare(ours, peers, questions):
    counts, unexplained = collections.Counter(), []
    asked = 0
    for question in questions:
        asked += 1
        mine = ours.ask(question)
        if mine.problem:
            unexplained.append((question, ours, mine, None, None, mine.problem))
            continue
        for peer in peers:
            theirs = peer.ask(question)
            a, b = mine.copy(), theirs.copy()
            used = []
            for explain in CLASSES:
                if a.key() == b.key():
                    break
                before = a.key(), b.key()
                explain(question, a, b)
                if (a.key(), b.key()) != before:
                    used.append(explain)
            if a.key() != b.key():
                unexplained.append((question, ours, mine, peer, theirs, ""))
            else:
                for explain in used:
                    counts[explain.__name__, peer.title] += 1
    print(asked, counts, len(unexplained))
    by = collections.Counter()
    for q, o, mine, p, theirs, problem in unexplained:
        if p is None:
            k = ("problem", str(problem)[:60])
        else:
            k = (p.title,) + tuple(n for n, i, j in (("rcode", mine.rcode, theirs.rcode), ("aa", mine.aa, theirs.aa), ("tc", mine.tc, theirs.tc), ("opt", mine.opt, theirs.opt), ("answer", mine.answer, theirs.answer), ("auth", mine.authority, theirs.authority), ("add", mine.additional, theirs.additional)) if i != j)
        by[k] += 1
        if by[k] <= 4:
            print("----", k, q); print(mine); print(p and p.title, theirs, problem)
    for k, n in by.most_common(): print(n, k)
    return 1 if unexplained else 0
