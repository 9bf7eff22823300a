//! Six cities on a line, two of them PoPs.

use catchment::evaluate::{fleet, rtt};
use expect_test::expect;

/// West and East are PoPs. Middle lies nearer to West and is measured to be nearer to East, as are its neighbors.
const CITIES: &str = "\
# a comment
city,country,lat,lon,West,East,Middle,Left,Right,Silent
West,United States,0,0,1,200,100,60,120,
East,Germany,0,40,200,1,40,150,20,
Middle,Austria,0,18,100,40,1,50,30,
Left,Austria,0,12,90,50,50,1,80,
Right,Austria,0,22,120,20,30,80,1,
Silent,Austria,0,30,,,,,,
";
const POPS: &str = "w\t0.1\t0\tUS\ne\t0\t40.1\tDE\nnowhere\t60\t0\tGB\n";
const COUNTRIES: &str = "cty1,cty2,n,ms\nAT,US,9,110\nAT,DE,9,40\n";

#[test]
fn each_policy_is_judged_by_what_was_measured() {
    let cities = rtt::cities::read(CITIES).unwrap();
    let countries = rtt::countries::read(COUNTRIES).unwrap();
    let report = rtt::measure(&cities, &fleet::read(POPS).unwrap(), Some(&countries)).unwrap();
    assert_eq!((report.pops, report.clients), (2, 3));
    let text = format!("{}\n{}", report.about(), report.table().text());
    // Random sets need more cities than these; whatever they say is not looked at.
    let text: Vec<&str> = text.lines().filter(|line| !line.contains("random sets")).collect();
    let text = text.join("\n") + "\n";
    expect![[r"
        2 cities are PoPs, 3 others are clients. When a client's nearest PoP fails, the next nearest is 0.0 ms above the best that is left, on average.
        Round-trip times, in milliseconds
          policy                                                                    best PoP within 1 ms  mean RTT  mean above best  p95 above best
          best by measurement                                                                    100.0 %      36.7              0.0               0
          nearest                                                                                 33.3 %      70.0             33.3              60
          squared degrees of latitude and longitude                                               33.3 %      70.0             33.3              60
          best map of countries, with hindsight                                                  100.0 %      36.7              0.0               0
          latency map, means of 3 cities within 1,000 km; margin 0 ms                            100.0 %      36.7              0.0               0
          latency map, means of 3 cities within 1,000 km; margin 5 ms                            100.0 %      36.7              0.0               0
          latency map, means of 3 cities within 1,000 km; margin 10 ms                           100.0 %      36.7              0.0               0
          latency map, means of 3 cities within 1,000 km; margin 30 ms                           100.0 %      36.7              0.0               0
          latency map, medians of 5 within 2,000 km, beyond distance; margin 0 ms                100.0 %      36.7              0.0               0
          latency map, medians of 5 within 2,000 km, beyond distance; margin 5 ms                100.0 %      36.7              0.0               0
          latency map, medians of 5 within 2,000 km, beyond distance; margin 10 ms               100.0 %      36.7              0.0               0
          latency map, medians of 5 within 2,000 km, beyond distance; margin 30 ms               100.0 %      36.7              0.0               0
          latency map, means of countries; margin 0 ms                                           100.0 %      36.7              0.0               0
          latency map, means of countries; margin 10 ms                                          100.0 %      36.7              0.0               0
          latency map, means of countries; margin 20 ms                                          100.0 %      36.7              0.0               0
          latency map, means of countries; margin 30 ms                                          100.0 %      36.7              0.0               0
          half distance, half latency of countries                                               100.0 %      36.7              0.0               0
    "]].assert_eq(&text);
    // Nearest: Middle and Left go West (100 and 90 ms) though East is at 40 and 50.
    let row = |name: &str| report.rows.iter().find(|row| row.policy == name).unwrap();
    let nearest = row("nearest");
    assert!((nearest.mean_ms - (100.0 + 90.0 + 20.0) / 3.0).abs() < 1e-9 && (nearest.best - 1.0 / 3.0).abs() < 1e-9);
    assert!((row("best by measurement").mean_ms - (40.0 + 50.0 + 20.0) / 3.0).abs() < 1e-9);
    // The map of countries gains 70 ms, which is more than any margin that is tried.
    assert!((row("latency map, means of countries; margin 30 ms").excess_ms).abs() < 1e-9);
}

#[test]
fn tables_that_are_none_are_told_by_line() {
    let check = |text: &str, expected: &str| assert_eq!(rtt::cities::read(text).unwrap_err().to_string(), expected);
    check("", "line 1: nothing is in it");
    check("name,lat\n", "line 1: the headings do not begin with `city,country,lat,lon`");
    check("city,country,lat,lon,A\nA,X\n", "line 2: it is too short");
    check("city,country,lat,lon,A\nB,X,0,0,1\n", "line 2: rows and columns are not the same cities in the same order");
    check("city,country,lat,lon,A\nA,X,north,0,1\n", "line 2: coordinates are no numbers");
    check("city,country,lat,lon,A,B\nA,X,0,0,1,2\n", "line 1: there are fewer rows than columns");
}
