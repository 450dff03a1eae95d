//! The version table: since which release a profile holds.

use super::Semantics;

/// A line of the version table, [`Semantics::RELEASES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// The first release that behaves so, major and minor: `(28, 0)`. The line holds up to the next one.
    pub since: (u16, u16),
    /// How it behaves.
    pub semantics: Semantics,
    /// How that is known.
    pub evidence: Evidence,
}

/// How a line of the version table is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// moby itself was run, and its answers are recorded.
    Executed,
    /// moby's source was read.
    Read,
}

impl Release {
    const fn executed(since: (u16, u16), semantics: Semantics) -> Self {
        Self { since, semantics, evidence: Evidence::Executed }
    }

    const fn read(since: (u16, u16), semantics: Semantics) -> Self {
        Self { since, semantics, evidence: Evidence::Read }
    }
}

const COUNT: usize = 13;

impl Semantics {
    /// The version table, oldest release first.
    pub const RELEASES: [Release; COUNT] = [
        Release::executed((20, 10), Self::MOBY_20_10),
        Release::read((23, 0), Self::MOBY_23_0),
        Release::read((24, 0), Self::MOBY_24_0),
        Release::read((25, 0), Self::MOBY_25_0),
        Release::executed((26, 0), Self::MOBY_26_1),
        Release::read((27, 0), Self::MOBY_27_5),
        Release::executed((28, 0), Self::MOBY_28_5),
        Release::read((29, 0), Self::MOBY_29_0),
        Release::read((29, 2), Self::MOBY_29_2),
        Release::read((29, 3), Self::MOBY_29_3),
        Release::read((29, 4), Self::MOBY_29_4),
        Release::read((29, 5), Self::MOBY_29_5),
        Release::executed((29, 6), Self::MOBY_29),
    ];

    /// Every profile, oldest first.
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::MOBY_20_10; COUNT];
        let mut line = 0;
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        while line < COUNT {
            all[line] = Self::RELEASES[line].semantics;
            line += 1;
        }
        all
    };

    /// The profile of a daemon that says it is `version`, as `GET /version` has it: that of the last line of
    /// [`Semantics::RELEASES`] that is not newer, or of the first where all are. `None` where it begins with no release,
    /// as in a build from a branch.
    ///
    /// ```
    /// use image_prune::Semantics;
    ///
    /// assert_eq!(Semantics::of_version("26.1.5+dfsg1"), Some(Semantics::MOBY_26_1));
    /// assert_eq!(Semantics::of_version("29.3.1"), Some(Semantics::MOBY_29_3));
    /// assert_eq!(Semantics::of_version("dev"), None);
    /// ```
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        let mut parts = version.split('.');
        let major: u16 = parts.next()?.parse().ok()?;
        let minor = parts.next()?;
        let digits = minor.bytes().take_while(u8::is_ascii_digit).count();
        let minor: u16 = minor.get(..digits)?.parse().ok()?;
        if major == 0 {
            return None; // What Go calls a build without a tag.
        }
        let holds = |release: &&Release| release.since <= (major, minor);
        let [oldest, ..] = &Self::RELEASES;
        Some(Self::RELEASES.iter().rfind(holds).unwrap_or(oldest).semantics)
    }

    /// The profile of a daemon whose newest API version is 1.`minor`: the latest of those with the lowest maximum that
    /// is not below it, or the newest.
    #[must_use]
    pub fn of_api(minor: u16) -> Self {
        let newest = |semantics: &Self| semantics.api_versions.1;
        let fitting = Self::ALL.into_iter().rev().filter(|semantics| newest(semantics) >= minor);
        fitting.min_by_key(newest).unwrap_or(Self::MOBY_29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_s_version_chooses_its_line() {
        for (version, name) in [
            ("18.09.1", "moby-20.10"),
            ("19.03.15", "moby-20.10"),
            ("20.10.24+dfsg1", "moby-20.10"),
            ("22.06.0-beta.0", "moby-20.10"),
            ("23.0.18", "moby-23.0"),
            ("24.0.9", "moby-24.0"),
            ("24.0.9-0ubuntu1", "moby-24.0"),
            ("25.0.0-rc.1", "moby-25.0"),
            ("26.0.2", "moby-26.1"),
            ("26.1.5+dfsg1", "moby-26.1"),
            ("27.0.3", "moby-27.5"),
            ("27.5.1", "moby-27.5"),
            ("28.0.0", "moby-28.5"),
            ("28.5.2", "moby-28.5"),
            ("29.0.0", "moby-29.0"),
            ("29.1.5", "moby-29.0"),
            ("29.2.1", "moby-29.2"),
            ("29.3.1", "moby-29.3"),
            ("29.4.0", "moby-29.4"),
            ("29.5.3", "moby-29.5"),
            ("29.6.0", "moby-29"),
            ("29.7.2", "moby-29"),
            ("29.10.0", "moby-29"),
            ("30.0.0", "moby-29"),
            ("28.6-dev", "moby-28.5"),
        ] {
            assert_eq!(Semantics::of_version(version).map(|found| found.name), Some(name), "{version}");
        }
        for version in
            ["", "dev", "master", "v28.5.2", "28", "28.", "28.x", "0.0.0-20260823", "library-import"]
        {
            assert_eq!(Semantics::of_version(version), None, "{version}");
        }
    }

    #[test]
    fn an_api_version_chooses_the_nearest_line() {
        for (minor, name) in [
            (0, "moby-20.10"),
            (40, "moby-20.10"),
            (41, "moby-20.10"),
            (42, "moby-23.0"),
            (43, "moby-24.0"),
            (44, "moby-25.0"),
            (45, "moby-26.1"),
            (46, "moby-27.5"),
            (47, "moby-27.5"),
            (48, "moby-28.5"),
            (51, "moby-28.5"),
            (52, "moby-29.0"),
            (53, "moby-29.2"),
            (54, "moby-29.5"),
            (55, "moby-29"),
            (99, "moby-29"),
        ] {
            assert_eq!(Semantics::of_api(minor).name, name, "1.{minor}");
        }
    }

    #[test]
    fn lines_are_in_order_and_say_what_they_are() {
        assert!(Semantics::RELEASES.is_sorted_by_key(|release| release.since));
        for release in Semantics::RELEASES {
            let semantics = release.semantics;
            assert_eq!(Semantics::of_version(semantics.version), Some(semantics), "{semantics}");
            assert_eq!(semantics.name.parse(), Ok(semantics));
            let (oldest, newest) = semantics.api_versions;
            assert!(oldest < newest);
        }
        let executed = Semantics::RELEASES.iter().filter(|release| release.evidence == Evidence::Executed);
        let executed: Vec<_> = executed.map(|release| release.semantics.name).collect();
        assert_eq!(executed, ["moby-20.10", "moby-26.1", "moby-28.5", "moby-29"]);
    }
}
