//! What `map`, `preview` and `diff` say, word for word, and their exit codes.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::world::{FLEET, World, ZONE};

/// Runs a command in the world's directory: what it prints, and its exit code.
fn run(world: &World, arguments: &str) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments.split_whitespace())
        .current_dir(world.directory.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (text, output.status.code().unwrap())
}

#[track_caller]
fn check(world: &World, arguments: &str, code: i32, expected: &Expect) {
    let (text, got) = run(world, arguments);
    assert!(code != 0 || text.lines().all(|line| line.chars().count() <= 80), "{text}");
    expected.assert_eq(&text);
    assert_eq!(got, code);
}

#[test]
fn map_is_a_table() {
    let world = World::new();
    check(
        &world,
        "map www.example.com --geodb old.mmdb",
        0,
        &expect![[r#"
        www.example.com: service web, policy nearest, 5 PoPs; all PoPs up

        PoP    IPv4    IPv6  people  mean km    p50    p95    max
        fra  45.2 %  50.0 %  13.5 %      336    304    423    423
        iad  19.1 %  25.0 %  55.1 %      659    659    659    659
        sin  19.0 %  25.0 %  20.1 %    7,295  5,164  9,539  9,539
        lhr  16.6 %     0 %  11.2 %       23     23     23     23
        ams     0 %     0 %     0 %        –      –      –      –
        all   100 %   100 %   100 %    1,671    423  9,539  9,539

        2,688 IPv4 addresses in 15 records, 4 records of IPv6, 616.8 million people
        resolvers' caches: at most 91 blocks of IPv4 and 116 of IPv6 (live ranges: 17
          and 7)
        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    check(
        &world,
        "map --service web --policy weighted --geodb old.mmdb",
        0,
        &expect![[r#"
        web: service web, policy weighted, 5 PoPs; all PoPs up

        PoP    IPv4    IPv6  people  mean km    p50     p95     max
        lhr  42.9 %  42.9 %  42.9 %    3,961    955  17,035  17,035
        iad  28.6 %  28.6 %  28.6 %    6,658  6,840  14,824  14,824
        fra  14.3 %  14.3 %  14.3 %    3,865    638  16,799  16,799
        ams  14.3 %  14.3 %  14.3 %    3,918    668  17,088  17,088
        sin     0 %     0 %     0 %        –      –       –       –
        all   100 %   100 %   100 %    4,712  5,244  17,035  17,088

        2,688 IPv4 addresses in 15 records, 4 records of IPv6, 616.8 million people
        resolvers' caches: at most 903,904 blocks of IPv4 and 17.37 trillion of IPv6
          (live ranges: 7 and 3)
        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    check(
        &world,
        "map alias.example.com --geodb old.mmdb --down fra,lhr --drain web@ams",
        0,
        &expect![[r#"
        alias.example.com: service web, policy nearest, 5 PoPs; fra, lhr down, web@ams
        drained

        PoP    IPv4    IPv6  people  mean km    p50    p95    max
        iad  81.0 %  75.0 %  79.9 %    5,178  6,732  6,840  6,840
        sin  19.0 %  25.0 %  20.1 %    7,295  5,164  9,539  9,539
        fra     0 %     0 %     0 %        –      –      –      –
        ams     0 %     0 %     0 %        –      –      –      –
        lhr     0 %     0 %     0 %        –      –      –      –
        all   100 %   100 %   100 %    5,581  6,732  9,539  9,539

        2,688 IPv4 addresses in 15 records, 4 records of IPv6, 616.8 million people
        away from their best PoP: 61.9 % of IPv4, 50.0 % of IPv6, 24.8 % of people
        resolvers' caches: at most 91 blocks of IPv4 and 116 of IPv6 (live ranges: 14
          and 7)
        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    world.zones("drained", &FLEET.replace("iad: {at", "iad: {drain: true, at"), ZONE);
    check(
        &world,
        "map www.example.com --zones drained --geodb old.mmdb",
        0,
        &expect![[r#"
        www.example.com: service web, policy nearest, 5 PoPs; iad drained by the files

        PoP    IPv4    IPv6  people  mean km    p50    p95    max
        fra  45.2 %  50.0 %  13.5 %      336    304    423    423
        lhr  35.7 %  25.0 %  66.4 %    2,813  5,244  5,244  5,244
        sin  19.0 %  25.0 %  20.1 %    7,295  5,164  9,539  9,539
        ams     0 %     0 %     0 %        –      –      –      –
        iad     0 %     0 %     0 %        –      –      –      –
        all   100 %   100 %   100 %    2,546    423  9,539  9,539

        2,688 IPv4 addresses in 15 records, 4 records of IPv6, 616.8 million people
        away from their best PoP: 19.1 % of IPv4, 25.0 % of IPv6, 55.1 % of people
        resolvers' caches: at most 91 blocks of IPv4 and 116 of IPv6 (live ranges: 17
          and 7)
        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    check(
        &world,
        "map --service web --geodb old.mmdb",
        1,
        &expect![[r#"
        error: `web` is steered by several policies, `nearest` and `near` among them; say which with `--policy`
    "#]],
    );
    check(
        &world,
        "map ns1.example.com --geodb old.mmdb",
        1,
        &expect![[r#"
        error: `ns1.example.com.` is not steered: static records
    "#]],
    );
    check(
        &world,
        "map www.example.com --down nrt --geodb old.mmdb",
        1,
        &expect![[r#"
        error: there is no PoP `nrt`; there are fra, ams, lhr, iad, sin
    "#]],
    );
}

#[test]
fn preview_says_who_goes_where() {
    let world = World::new();
    check(
        &world,
        "preview www.example.com --geodb old.mmdb --down fra",
        0,
        &expect![[r#"
        www.example.com: service web, policy nearest; fra down

        45.2 % of IPv4, 50.0 % of IPv6 and 13.5 % of people move, from 336 to 644 km on
        average; all clients: 1,671 to 1,810 km

        from  to     IPv4    IPv6  people  km before  after
        fra   ams  45.2 %  50.0 %  13.5 %        336    644

        who grows, by IPv4, and by what factor:

        PoP  before   after  IPv4  IPv6  people
        ams     0 %  45.2 %   new   new     new

        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    check(
        &world,
        "preview www.example.com --geodb old.mmdb --each --drain sin",
        0,
        &expect![[r#"
        www.example.com: service web, policy nearest; sin drained

        each PoP down, and where its clients go:

        PoP  to                      most grows    IPv4    IPv6  people     km  after
        fra  ams 100 %               ams × 5.75  45.2 %  50.0 %  13.5 %    336    644
        ams  fra 100 %               fra × 1.21   9.5 %  25.0 %  20.1 %  9,232  9,261
        lhr  ams 100 %               ams × 2.75  16.6 %     0 %  11.2 %     23    358
        iad  lhr 66.7 %, fra 33.3 %  lhr × 2.15  28.6 %  25.0 %  55.1 %  5,374  9,090
        sin                                         0 %     0 %     0 %      –      –

        IPv4 by address; IPv6 by record of the database (its addresses say nothing of
        clients); people: each country's population spread over its IPv4 addresses. km:
        great circle, by IPv4.
    "#]],
    );
    check(
        &world,
        "preview www.example.com --geodb old.mmdb",
        2,
        &expect![[r#"
        error: the following required arguments were not provided:
          <--down <POP>|--drain <POP>|--each>

        Usage: catchment preview --geodb <PATH> <--down <POP>|--drain <POP>|--each> <NAME>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn diff_says_what_an_edit_does() {
    let world = World::new();
    let fleet = FLEET
        .replace("      ams: [\"192.0.2.20\"", "      ams: [\"192.0.2.21\"")
        .replace("      fra: [\"192.0.2.10\", \"2001:db8:f::10\"]\n", "")
        .replace("only: [fra, ams]", "only: [ams]");
    let zone = ZONE.replace("  alias: {CNAME: www}\n", "  other: {CNAME: www}\n").replace("192.0.2.53", "192.0.2.54");
    world.zones(
        "new",
        &fleet,
        &zone.replace("  tiers: {steer: {service: web, policy: tiers}}\n", "  tiers: {A: 192.0.2.9}\n"),
    );
    check(
        &world,
        "diff zones new --geodb old.mmdb --max-move 40%",
        1,
        &expect![[r#"
            names that go: 1
              alias.example.com
            names that come: 1
              other.example.com
            names no longer steered: 1
              tiers.example.com
            records that change for everyone: 2
              ns1.example.com A
              tiers.example.com A

            coarse.example.com: service web, policy coarse
              PoPs that go: fra
              ams answers with 192.0.2.21, 2001:db8:a::10 in place of 192.0.2.20,
                2001:db8:a::10
              42.9 % of IPv4, 50.0 % of IPv6 and 12.8 % of people move, from 331 to 647 km
                on average; all clients: 1,685 to 1,821 km

              from  to     IPv4    IPv6  people  km before  after
              fra   ams  42.9 %  50.0 %  12.8 %        331    647

              country  of its IPv4   IPv6        people  km before  after
              DE            94.7 %  100 %  79.1 million        331    647

            ruled.example.com: service web, policy ruled
              PoPs that go: fra
              ams answers with 192.0.2.21, 2001:db8:a::10 in place of 192.0.2.20,
                2001:db8:a::10
              45.2 % of IPv4, 50.0 % of IPv6 and 13.5 % of people move, from 336 to 644 km
                on average; all clients: 2,996 to 3,136 km

              from  to     IPv4    IPv6  people  km before  after
              fra   ams  45.2 %  50.0 %  13.5 %        336    644

              country  of its IPv4   IPv6        people  km before  after
              DE             100 %  100 %  83.5 million        336    644

            www.example.com: service web, policy nearest
              PoPs that go: fra
              ams answers with 192.0.2.21, 2001:db8:a::10 in place of 192.0.2.20,
                2001:db8:a::10
              45.2 % of IPv4, 50.0 % of IPv6 and 13.5 % of people move, from 336 to 644 km
                on average; all clients: 1,671 to 1,810 km

              from  to     IPv4    IPv6  people  km before  after
              fra   ams  45.2 %  50.0 %  13.5 %        336    644

              country  of its IPv4   IPv6        people  km before  after
              DE             100 %  100 %  83.5 million        336    644

            near.example.com: service web, policy near
              PoPs that go: fra
              ams answers with 192.0.2.21, 2001:db8:a::10 in place of 192.0.2.20,
                2001:db8:a::10
              33.9 % of IPv4, 37.5 % of IPv6 and 10.2 % of people move, from 438 to 943 km
                on average; all clients: 1,755 to 1,926 km
              resolvers' caches, IPv4: 92 blocks before, 92 after (+0.0%); live ranges 19
                and 16

              from  to     IPv4    IPv6  people  km before  after
              fra   lhr  22.6 %  25.0 %   6.8 %        336    943
              ams   lhr  11.3 %  12.5 %   3.4 %        644    943

              country  of its IPv4    IPv6        people  km before  after
              DE            75.0 %  75.0 %  62.6 million        438    943

            weights.example.com: service web, policy weighted
              PoPs that go: fra
              ams answers with 192.0.2.21, 2001:db8:a::10 in place of 192.0.2.20,
                2001:db8:a::10
              14.3 % of IPv4, 14.3 % of IPv6 and 14.3 % of people move, from 3,865 to
                4,853 km on average; all clients: 4,712 to 4,853 km

              from  to    IPv4   IPv6  people  km before  after
              fra   lhr  7.1 %  7.1 %   7.1 %      3,865  3,961
              fra   iad  4.8 %  4.8 %   4.8 %      3,865  6,658
              fra   ams  2.4 %  2.4 %   2.4 %      3,865  3,918

              country  of its IPv4    IPv6        people  km before   after
              US            14.3 %  14.3 %  48.6 million      5,897   3,768
              JP            14.3 %  14.3 %  17.7 million      9,261   9,992
              DE            14.3 %  14.3 %  11.9 million        336   2,849
              GB            14.3 %     0 %   9.9 million        638   2,045
              AQ            14.3 %     0 %             0     16,799  16,307

            at most 50.0 % moves at one name: more than 40.0 %

            IPv4 by address; IPv6 by record of the database (its addresses say nothing of
            clients); people: each country's population spread over its IPv4 addresses. km:
            great circle, by IPv4.
        "#]],
    );
    check(
        &world,
        "diff zones zones --geodb old.mmdb --max-move 0",
        0,
        &expect![[r#"
        6 steered names stay as they are for every client
        at most 0 % moves at one name: not more than 0 %
    "#]],
    );
    check(
        &world,
        "diff zones zones --geodb-old old.mmdb --geodb-new new.mmdb --max-move 5%",
        1,
        &expect![[r#"
            coarse.example.com: service web, policy coarse
              19.2 % of IPv4, 25.0 % of IPv6 and 2.5 % of people move, from 8,077 to 8,544
                km on average; all clients: 2,251 to 2,340 km
              resolvers' caches, IPv4: 90 blocks before, 72 after (-20.0%); live ranges 13
                and 13

              from  to    IPv4    IPv6  people  km before   after
              iad   fra  9.5 %  25.0 %   2.4 %      6,732     423
              sin   fra  9.5 %     0 %     0 %      9,539  16,799
              fra   lhr  0.1 %     0 %   0.1 %        638      23

              country  of its IPv4    IPv6        people  km before   after
              DE            17.4 %  50.0 %  14.5 million      6,732     423
              GB             0.9 %     0 %       613,978        638      23
              AQ             100 %     0 %             0      9,539  16,799

            near.example.com: service web, policy near
              19.2 % of IPv4, 25.0 % of IPv6 and 2.5 % of people move, from 8,077 to 8,583
                km on average; all clients: 2,320 to 2,417 km
              resolvers' caches, IPv4: 92 blocks before, 92 after (+0.0%); live ranges 19
                and 20

              from  to     IPv4    IPv6  people  km before   after
              sin   fra   9.5 %     0 %     0 %      9,539  16,799
              iad   fra   4.8 %  12.5 %   1.2 %      6,732     423
              iad   ams   4.8 %  12.5 %   1.2 %      6,732     576
              fra   lhr   0.1 %     0 %   0.1 %        638      23
              fra   ams  <0.1 %     0 %  <0.1 %        638     358

              country  of its IPv4    IPv6        people  km before   after
              DE            17.4 %  50.0 %  14.5 million      6,732     500
              GB             0.9 %     0 %       613,978        638     107
              AQ             100 %     0 %             0      9,539  16,799

            ruled.example.com: service web, policy ruled
              19.2 % of IPv4, 25.0 % of IPv6 and 2.5 % of people move, from 8,473 to 8,590
                km on average; all clients: 3,292 to 3,314 km
              resolvers' caches, IPv4: 92 blocks before, 73 after (-20.7%); live ranges 16
                and 15

              from  to     IPv4    IPv6  people  km before   after
              sin   fra  11.9 %     0 %   0.6 %      9,617  13,523
              iad   fra   7.1 %  25.0 %   1.8 %      6,732     423
              fra   iad   0.1 %     0 %   0.1 %        638   5,921

              country  of its IPv4    IPv6        people  km before   after
              DE            17.4 %  50.0 %  14.5 million      7,531     423
              GB             0.9 %     0 %       613,978        638   5,921
              AQ             100 %     0 %             0      9,539  16,799

            www.example.com: service web, policy nearest
              19.2 % of IPv4, 25.0 % of IPv6 and 2.5 % of people move, from 8,077 to 8,544
                km on average; all clients: 2,236 to 2,326 km
              resolvers' caches, IPv4: 91 blocks before, 73 after (-19.8%); live ranges 17
                and 17

              from  to    IPv4    IPv6  people  km before   after
              iad   fra  9.5 %  25.0 %   2.4 %      6,732     423
              sin   fra  9.5 %     0 %     0 %      9,539  16,799
              fra   lhr  0.1 %     0 %   0.1 %        638      23

              country  of its IPv4    IPv6        people  km before   after
              DE            17.4 %  50.0 %  14.5 million      6,732     423
              GB             0.9 %     0 %       613,978        638      23
              AQ             100 %     0 %             0      9,539  16,799

            2 steered names stay as they are for every client
            at most 25.0 % moves at one name: more than 5.0 %

            IPv4 by address; IPv6 by record of the database (its addresses say nothing of
            clients); people: each country's population spread over its IPv4 addresses. km:
            great circle, by IPv4.
        "#]],
    );
    check(
        &world,
        "diff zones nowhere --geodb old.mmdb",
        1,
        &expect![[r#"
        error: nowhere: error: the directory cannot be read: No such file or directory (os error 2)
          help: zones stay as they are
        nowhere is not usable; see `catchment check`
    "#]],
    );
}

/// The JSON of a command.
fn json(world: &World, arguments: &str) -> serde_json::Value {
    serde_json::from_str(&run(world, arguments).0).unwrap()
}

#[test]
fn json_has_the_same_figures() {
    let world = World::new();
    let map = json(&world, "map www.example.com --geodb old.mmdb --json");
    assert_eq!(map["total"]["ipv4_addresses"], 2688.0);
    let fra = map["pops"].as_array().unwrap().iter().find(|pop| pop["pop"] == "fra").unwrap();
    let preview = json(&world, "preview www.example.com --geodb old.mmdb --down fra --json");
    assert_eq!(preview["moved"]["ipv4_addresses"], fra["ipv4_addresses"]);
    let each = json(&world, "preview www.example.com --geodb old.mmdb --each --json");
    assert_eq!(each["each"][0]["pop"], "fra");
    assert_eq!(each["each"][0]["moved"], preview["moved"]);
    assert_eq!(each["each"][0]["growth"], preview["growth"]);
    let diff = json(&world, "diff zones zones --geodb old.mmdb --down fra --json");
    assert_eq!(diff["largest_move"], 0.0);
}

#[test]
fn pictures_show_every_pop_and_its_clients() {
    let world = World::new();
    let files = "--svg map.svg --png map.png --geojson map.json --scale 0.5";
    let (text, code) = run(&world, &format!("map www.example.com --geodb old.mmdb --down ams {files}"));
    assert_eq!(code, 0, "{text}");

    let svg = std::fs::read_to_string(world.path("map.svg")).unwrap();
    for word in ["www.example.com", ">fra<", ">ams (down)<", ">45.2 %<", "Natural Earth", "url(#land)", "</svg>"] {
        assert!(svg.contains(word), "{word}");
    }
    // Land with clients of each PoP that serves, dots, a mark for each PoP.
    let count = |word: &str| svg.matches(word).count();
    assert_eq!(count("fill-rule=\"evenodd\" clip-path"), 4);
    assert!(count("<circle") > 5 + 5);

    let png = std::fs::read(world.path("map.png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 900);

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(world.path("map.json")).unwrap()).unwrap();
    let features = json["features"].as_array().unwrap();
    let of = |kind: &str| features.iter().filter(|f| f["properties"]["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("pop").len(), 5);
    let addresses: f64 = of("clients").iter().map(|f| f["properties"]["ipv4_addresses"].as_f64().unwrap()).sum();
    assert_eq!(addresses.to_string(), "2688");
    let munich = of("clients").into_iter().find(|f| f["geometry"]["coordinates"][0] == 11.58).unwrap();
    assert_eq!(munich["properties"]["pop"], "fra");

    // A part of the world has the PoPs of that part, and those who serve in it.
    run(&world, "map www.example.com --geodb old.mmdb --frame 47,5,55.5,16 --svg part.svg");
    let part = std::fs::read_to_string(world.path("part.svg")).unwrap();
    assert!(part.contains(">fra<") && !part.contains(">sin<"), "{part}");
    let (text, code) = run(&world, "map www.example.com --frame 47,5,55.5 --svg part.svg");
    assert!(code == 2 && text.contains("accepted is `SOUTH,WEST,NORTH,EAST` in degrees"), "{text}");

    // The same files give the same octets.
    run(&world, "map www.example.com --geodb old.mmdb --down ams --svg again.svg --png again.png --scale 0.5");
    assert_eq!(std::fs::read(world.path("again.png")).unwrap(), png);
    assert_eq!(std::fs::read_to_string(world.path("again.svg")).unwrap(), svg);
}
