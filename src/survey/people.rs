//! How many people live in each country: what addresses are weighted by where counting them would favor those who got theirs
//! early.
//!
//! Total population of 2024 in thousands, from the World Bank (SP.POP.TOTL, which rests on the United Nations' World
//! Population Prospects), by way of the public-domain `datasets/population` (PDDL 1.0). Places that it does not count are our
//! own estimates: Taiwan, Western Sahara, the overseas departments of France (taken off France's figure) and some islands.

use crate::geo::Country;

/// Thousands of people; 0 for a code that is not assigned, and where nobody lives for good.
pub fn thousands(country: Country) -> u32 {
    let index = PEOPLE.binary_search_by(|row| row.0.as_bytes().cmp(&country.as_bytes()));
    index.ok().and_then(|index| PEOPLE.get(index)).map_or(0, |row| row.1)
}

/// Code and thousands of people, sorted by code.
#[rustfmt::skip]
const PEOPLE: &[(&str, u32)] = &[
    ("AD", 82), ("AE", 10_986), ("AF", 42_647), ("AG", 94), ("AI", 16), ("AL", 2_377), ("AM", 3_034), ("AO", 37_886),
    ("AQ", 0), ("AR", 45_696), ("AS", 47), ("AT", 9_178), ("AU", 27_197), ("AW", 108), ("AX", 31), ("AZ", 10_203),
    ("BA", 3_164), ("BB", 282), ("BD", 173_562), ("BE", 11_859), ("BF", 23_549), ("BG", 6_441), ("BH", 1_589),
    ("BI", 14_048), ("BJ", 14_463), ("BL", 11), ("BM", 65), ("BN", 463), ("BO", 12_413), ("BQ", 31), ("BR", 211_999),
    ("BS", 401), ("BT", 792), ("BV", 0), ("BW", 2_521), ("BY", 9_133), ("BZ", 417), ("CA", 41_289), ("CC", 1),
    ("CD", 109_276), ("CF", 5_331), ("CG", 6_333), ("CH", 9_006), ("CI", 31_934), ("CK", 15), ("CL", 19_765),
    ("CM", 29_124), ("CN", 1_408_975), ("CO", 52_886), ("CR", 5_130), ("CU", 10_980), ("CV", 525), ("CW", 156),
    ("CX", 2), ("CY", 1_358), ("CZ", 10_905), ("DE", 83_517), ("DJ", 1_169), ("DK", 5_977), ("DM", 66), ("DO", 11_428),
    ("DZ", 46_814), ("EC", 18_135), ("EE", 1_372), ("EG", 116_538), ("EH", 590), ("ER", 3_536), ("ES", 48_849),
    ("ET", 132_060), ("FI", 5_620), ("FJ", 929), ("FK", 4), ("FM", 113), ("FO", 55), ("FR", 66_307), ("GA", 2_539),
    ("GB", 69_226), ("GD", 117), ("GE", 3_700), ("GF", 310), ("GG", 64), ("GH", 34_427), ("GI", 39), ("GL", 57),
    ("GM", 2_760), ("GN", 14_755), ("GP", 380), ("GQ", 1_893), ("GR", 10_405), ("GS", 0), ("GT", 18_406), ("GU", 168),
    ("GW", 2_201), ("GY", 831), ("HK", 7_524), ("HM", 0), ("HN", 10_826), ("HR", 3_866), ("HT", 11_773), ("HU", 9_562),
    ("ID", 283_488), ("IE", 5_396), ("IL", 9_974), ("IM", 84), ("IN", 1_450_936), ("IO", 3), ("IQ", 46_042),
    ("IR", 91_568), ("IS", 387), ("IT", 58_953), ("JE", 104), ("JM", 2_839), ("JO", 11_553), ("JP", 123_975),
    ("KE", 56_433), ("KG", 7_222), ("KH", 17_639), ("KI", 135), ("KM", 867), ("KN", 47), ("KP", 26_499), ("KR", 51_751),
    ("KW", 4_897), ("KY", 74), ("KZ", 20_593), ("LA", 7_770), ("LB", 5_806), ("LC", 180), ("LI", 40), ("LK", 21_916),
    ("LR", 5_613), ("LS", 2_337), ("LT", 2_888), ("LU", 677), ("LV", 1_866), ("LY", 7_381), ("MA", 38_081), ("MC", 39),
    ("MD", 2_402), ("ME", 624), ("MF", 26), ("MG", 31_965), ("MH", 38), ("MK", 1_824), ("ML", 24_479), ("MM", 54_500),
    ("MN", 3_525), ("MO", 687), ("MP", 44), ("MQ", 350), ("MR", 5_169), ("MS", 4), ("MT", 569), ("MU", 1_246),
    ("MV", 528), ("MW", 21_655), ("MX", 130_861), ("MY", 35_558), ("MZ", 34_632), ("NA", 3_030), ("NC", 293),
    ("NE", 27_032), ("NF", 2), ("NG", 232_679), ("NI", 6_916), ("NL", 17_993), ("NO", 5_572), ("NP", 29_651),
    ("NR", 12), ("NU", 2), ("NZ", 5_288), ("OM", 5_282), ("PA", 4_516), ("PE", 34_218), ("PF", 282), ("PG", 10_577),
    ("PH", 115_844), ("PK", 251_269), ("PL", 36_559), ("PM", 6), ("PN", 0), ("PR", 3_203), ("PS", 5_289),
    ("PT", 10_695), ("PW", 18), ("PY", 6_929), ("QA", 2_858), ("RE", 885), ("RO", 19_052), ("RS", 6_586),
    ("RU", 143_534), ("RW", 14_257), ("SA", 35_300), ("SB", 819), ("SC", 121), ("SD", 50_449), ("SE", 10_570),
    ("SG", 6_037), ("SH", 5), ("SI", 2_127), ("SJ", 2), ("SK", 5_422), ("SL", 8_642), ("SM", 34), ("SN", 18_502),
    ("SO", 19_009), ("SR", 634), ("SS", 11_943), ("ST", 236), ("SV", 6_338), ("SX", 43), ("SY", 24_673), ("SZ", 1_243),
    ("TC", 47), ("TD", 20_299), ("TF", 0), ("TG", 9_515), ("TH", 71_668), ("TJ", 10_591), ("TK", 3), ("TL", 1_401),
    ("TM", 7_494), ("TN", 12_277), ("TO", 104), ("TR", 85_519), ("TT", 1_368), ("TV", 10), ("TW", 23_400),
    ("TZ", 68_560), ("UA", 37_860), ("UG", 50_015), ("UM", 0), ("US", 340_111), ("UY", 3_387), ("UZ", 36_362),
    ("VA", 1), ("VC", 101), ("VE", 28_406), ("VG", 39), ("VI", 104), ("VN", 100_988), ("VU", 328), ("WF", 11),
    ("WS", 218), ("XK", 1_594), ("YE", 40_583), ("YT", 320), ("ZA", 64_007), ("ZM", 21_315), ("ZW", 16_634),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_counted() {
        let sum: u32 = Country::all().map(thousands).sum();
        assert_eq!(PEOPLE.len(), Country::all().count());
        assert!((8_100_000..8_200_000).contains(&sum), "{sum} thousand people");
        assert!(PEOPLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let of = |code: &str| thousands(Country::new(code).unwrap());
        assert_eq!((of("AQ"), of("LI"), of("ZZ")), (0, 40, 0));
        assert!(of("IN") > of("CN") && of("CN") > of("US"));
    }
}
