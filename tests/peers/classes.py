"""Every way in which a peer may differ from us, each with the RFC that allows ours.

A class is a function that looks at a question and the two replies and, where its reason applies and can be verified,
edits the copies until that reason is no difference any more. What is left unequal after all of them is a finding.
Classes that touch the rcode, AA or the answer section (the last five) excuse nothing
blindly: they check our side against the peer's own data.
"""

from wire import NAMES, TYPES, Question, labels, name_octets, name_text

A, NS, CNAME, SOA, AAAA, DNAME, DS, NSEC, ANY = (
    TYPES[t] for t in ("A", "NS", "CNAME", "SOA", "AAAA", "DNAME", "DS", "NSEC", "ANY"))
ADDRESSES = (A, AAAA)
# Links of a chain that we follow (docs/rfcs.md, RFC 1034 §3.6.2).
MAX_LINKS = 16


def is_under(name, above):
    return above == "." or name == above or name.endswith("." + above)


def cut_of(reply):
    """The owner of a referral's NS records."""
    owners = {owner for owner, rtype, *_ in reply.authority if rtype == NS}
    return owners.pop() if len(owners) == 1 else None


def badvers_copies_do(context, ours, theirs):
    """RFC 6891 §6.1.4, RFC 3225 §3: the DO bit of a query is copied into the response. NSD clears it when it answers
    BADVERS."""
    if ours.rcode == theirs.rcode == 16 and ours.opt == (0, context.question.dnssec):
        theirs.opt = ours.opt


def truncated_is_empty(context, ours, theirs):
    """RFC 2181 §9: a client ignores the records of a reply with TC, and asks again by TCP. So we leave them out (no RRset
    in part, nothing to amplify); peers send what fits."""
    if ours.tc and theirs.tc and not any(ours.sections):
        theirs.sections = [set(), set(), set()]


def glue_or_truncation(context, ours, theirs):
    """RFC 9471 §3.1: a referral carries all glue of in-domain name servers, or has TC set. NSD 4.6 is older than that
    RFC: it leaves out what does not fit, silently. Checked: by TCP we give the same referral, with at least that glue."""
    if ours.tc and not theirs.tc and cut_of(theirs):
        whole = context.ask_us_by_tcp()
        if whole.authority == theirs.authority and whole.answer == theirs.answer and whole.additional >= theirs.additional:
            ours.tc, ours.sections = theirs.tc, [set(section) for section in theirs.sections]


def sibling_glue_where_it_fits(context, ours, theirs):
    """RFC 9471 §3.2: glue of name servers below another cut of the zone may be left out when it does not fit. We give all
    addresses of a server or none; peers count by RRset. Checked: what is missing, with the same server's other
    addresses, would not have fit."""
    cut = cut_of(ours)
    if not cut or cut != cut_of(theirs) or ours.additional == theirs.additional:
        return
    servers = {data for _, rtype, _, _, data in ours.authority if rtype == NS}
    whole = context.ask_us_by_tcp().additional
    for one, two in ((ours, theirs), (theirs, ours)):
        missing = {r for r in two.additional - one.additional
                   if r[0] in servers and r[1] in ADDRESSES and not is_under(r[0], cut) and context.is_glue(r[0])}
        for server in {owner for owner, *_ in missing}:
            if one.size + sum(octets(r) for r in whole if r[0] == server) > context.limit():
                one.additional.update(r for r in missing if r[0] == server)


def no_optional_additional_data(context, ours, theirs):
    """RFC 1034 §4.3.2 step 6 leaves to the server which further addresses are useful, and RFC 9471 §3 requires glue only.
    Peers add addresses of MX, SRV and NS targets that are no glue; we never do: they make large answers of small
    questions."""
    cut = cut_of(theirs)
    pointed = {data.split()[-1] for section in theirs.sections[:2]
               for _, rtype, _, _, data in section if rtype in NAMES and rtype not in (CNAME, DNAME, SOA)}
    for record in theirs.additional - ours.additional:
        owner, rtype = record[:2]
        glue = cut and (is_under(owner, cut) or context.is_glue(owner))
        if rtype in ADDRESSES and owner in pointed and not glue:
            theirs.additional.discard(record)


def any_is_one_rrset(context, ours, theirs):
    """RFC 8482 §4.1: ANY is answered with one RRset of the name, the responder's choice. NSD chooses another one than we,
    which may fit where ours does not. Checked: ours is one RRset, whole, as the peer gives it when asked for its type;
    a DNAME above it is followed as below."""
    full = context.untruncated(ours)
    if context.question.rtype == ANY and agrees(context, full, context.joined(ANY, full)):
        theirs.become(ours)


def chains_are_followed(context, ours, theirs):
    """RFC 1034 §4.3.2 step 3a and 3c, RFC 6672 §3.2: after an alias the search starts again, from the choice of the zone;
    RFC 1034 §3.6.2: chains are followed, loops are not. We follow 16 links, through all zones. Knot stays in the first
    zone and stops after a few links; NSD goes on for longer, and at a growing loop sets TC. Checked: the peer is asked
    for each next name, its replies are joined, and must be what we say (rcode, authority and additional being the last
    one's)."""
    full = context.untruncated(ours)
    chain = any(record[1] == CNAME for record in full.answer | theirs.answer)
    if chain and context.question.rtype != ANY and agrees(context, full, context.joined(context.question.rtype)):
        theirs.become(ours)


def nsec_is_a_type(context, ours, theirs):
    """RFC 1034 §4.3.2 step 3a: a CNAME is followed for every type but CNAME. Knot answers NSEC from the alias itself, where
    only signed zones have one (RFC 4034 §4); these are not signed. Checked: the peer says of another absent type what we
    say of NSEC."""
    full = context.untruncated(ours)
    chain = any(record[1] == CNAME for record in full.answer)
    if chain and context.question.rtype == NSEC and agrees(context, full, context.joined(TYPES["TYPE999"])):
        theirs.become(ours)


def ds_without_the_parent(context, ours, theirs):
    """RFC 4035 §3.1.4.1: a server of the child but not of its parent answers DS at the child's apex with NODATA of the child.
    Both peers refer to the zone between, because they have the grandparent. Checked: it is an apex, the peer's answer is
    a referral above it, and of an absent type the peer says what we say of DS."""
    name, cut = name_text(labels(context.question.name)), cut_of(theirs)
    if context.question.rtype == DS and name in context.origins and cut and name != cut and is_under(name, cut):
        if ours.key() == context.ask_peer(name, TYPES["TYPE999"]).key():
            theirs.become(ours)


def overflow_is_yxdomain(context, ours, theirs):
    """RFC 6672 §2.2, §3.2 step 3c: a name that a DNAME makes longer than 255 octets is answered with YXDOMAIN and the DNAME.
    Knot 3.2 says NXDOMAIN, which would deny the name itself. Checked: the lengths, and the answer section is the same."""
    name = name_text(labels(context.question.name))
    above = [r for r in ours.answer if r[1] == DNAME and r[0] != name and is_under(name, r[0])]
    if ours.rcode == 6 and len(ours.answer) == 1 and above and ours.answer == theirs.answer and not ours.authority:
        length = len(name_octets(name)) - len(name_octets(above[0][0])) + len(name_octets(above[0][4]))
        if length > 255:
            theirs.become(ours)


def agrees(context, ours, joined):
    """Whether a reply is, but for optional records, what the peer's replies along the chain make when joined."""
    ours = ours.copy()
    sibling_glue_where_it_fits(context, ours, joined)
    no_optional_additional_data(context, ours, joined)
    return ours.key() == joined.key()


CLASSES = [badvers_copies_do, truncated_is_empty, glue_or_truncation, sibling_glue_where_it_fits,
           no_optional_additional_data, any_is_one_rrset, chains_are_followed, nsec_is_a_type, ds_without_the_parent,
           overflow_is_yxdomain]


def octets(record):
    """What a record takes at least: its owner as a pointer."""
    return 12 + len(record[4]) // 2


class Context:
    """A question, and those who can be asked more."""

    def __init__(self, zones, question, us, peer):
        self.question, self.us, self.peer = question, us, peer
        self.origins = {name_text(labels(zone.origin)) for zone in zones}
        # Names of cuts with the zone they are in.
        self.cuts = [(name_text(labels(zone.absolute(owner))), name_text(labels(zone.origin)))
                     for zone in zones for owner, rrsets in zone.owners.items() if "NS" in rrsets and owner != "@"]

    def about(self, question, peer):
        """The same for another question."""
        other = object.__new__(Context)
        other.__dict__ = dict(self.__dict__, question=question, peer=peer)
        return other

    def limit(self):
        if self.question.tcp:
            return 65535
        return 512 if self.question.edns is None else max(512, min(1232, self.question.edns))

    def untruncated(self, ours):
        return self.ask_us_by_tcp() if ours.tc else ours

    def ask_us_by_tcp(self):
        q = self.question
        return self.us.ask(Question(q.name, q.rtype, q.edns, True, q.version, q.dnssec))

    def ask_peer(self, name, rtype):
        """Without limit of size."""
        return self.peer.ask(Question(name, rtype, self.question.edns, True, 0, self.question.dnssec))

    def is_glue(self, name):
        """Whether a name is at or below a cut of the zone."""
        return any(is_under(name, cut) for cut, _ in self.cuts)

    def joined(self, rtype, ours=None):
        """The peer's replies along the chain as one: it is asked for each name of it. For ANY, at the end, for the one
        type that `ours` has there."""
        name = name_text(labels(self.question.name))
        whole, seen = None, set()
        while True:
            if whole and (name in seen or not any(is_under(name, origin) for origin in self.origins)):
                return whole
            seen.add(name)
            reply = self.ask_peer(name, rtype)
            if whole is None:
                whole = reply.copy()
                whole.sections = [set(), set(), set()]
            aliases = [r for r in reply.answer if r[0] == name and r[1] == CNAME]
            above = {r for r in reply.answer if r[1] == DNAME and r[0] != name and is_under(name, r[0])}
            if not aliases or rtype in (CNAME, ANY) and not above:
                kinds = {r[1] for r in ours.answer - whole.answer if r[0] == name} if rtype == ANY else ()
                if len(kinds) == 1:
                    reply = self.ask_peer(name, *kinds)
                whole.rcode, whole.size = reply.rcode, reply.size
                whole.sections = [whole.answer | reply.answer, reply.authority, reply.additional]
                return whole
            if len(seen) > MAX_LINKS:
                return whole
            whole.sections[0] |= {aliases[0]} | above
            name = aliases[0][4]
