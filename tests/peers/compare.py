"""Asks the server and its peers the same, and sorts the differences into the classes of classes.py."""

import collections

from classes import CLASSES, Context

# More classes than this, and nobody can say that the servers agree.
MAX_CLASSES = 10
# Findings of one kind that are shown whole.
SHOWN = 3


def compare(zones, us, peers, questions):
    """Prints a table of the classes and every kind of finding; the number of findings, at most 1, is the exit code."""
    asked, equal = 0, collections.Counter()
    excused, findings = collections.Counter(), collections.defaultdict(list)
    context = Context(zones, None, us, None)
    for question in questions:
        asked += 1
        ours = us.ask(question)
        order = ours.out_of_order(question)
        for problem in ours.problem + ([order] if order else []):
            findings["ours alone", problem].append(f"{question}\n{ours}")
        if ours.size > context.about(question, None).limit():
            findings["ours alone", "too long"].append(f"{question}\n{ours}")
        for peer in peers:
            theirs = peer.ask(question)
            if ours.key() == theirs.key():
                equal[peer.title] += 1
                continue
            left, used = explain(context.about(question, peer), ours, theirs)
            for name in used:
                excused[name, peer.title] += 1
            if left:
                findings[peer.title, left].append(f"{question}\n{ours}\n{peer.title}: {theirs}")
    print(f"{asked} questions; equal at once: " + ", ".join(f"{title} {count}" for title, count in equal.items()))
    for each in CLASSES:
        counts = ", ".join(f"{peer.title} {excused[each.__name__, peer.title]}" for peer in peers)
        print(f"  {each.__name__}: {counts}\n      " + " ".join(each.__doc__.split()))
    for (who, what), cases in findings.items():
        print(f"FINDING {who}: {what}: {len(cases)} questions")
        for case in cases[:SHOWN]:
            print("    " + case.replace("\n", "\n    "))
    assert len(CLASSES) <= MAX_CLASSES
    return 1 if findings else 0


def explain(context, ours, theirs):
    """What differs after all classes, as text, and the names of those that applied."""
    a, b, used = ours.copy(), theirs.copy(), []
    for each in CLASSES:
        before = a.key(), b.key()
        if before[0] == before[1]:
            break
        each(context, a, b)
        if (a.key(), b.key()) != before:
            used.append(each.__name__)
    parts = ("rcode", "AA", "TC", "OPT", "answer", "authority", "additional")
    left = ", ".join(part for part, x, y in zip(parts, a.key(), b.key()) if x != y)
    return left, [] if left else used
