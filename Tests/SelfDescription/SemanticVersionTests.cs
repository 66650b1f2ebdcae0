using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

public sealed class SemanticVersionTests
{
    // Semantic Versioning 2.0.0 §11, and the thresholds of clients.
    [Fact]
    public void Versions_are_ordered_as_published()
    {
        string[] ascending = ["0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.9", "1.2.10", "1.30.0-rc.1", "1.30.0", "1.36.9", "1.37.0", "2.0.0"];
        var versions = ascending.Select(text => SemanticVersion.TryParse(text, out var version) ? version : throw new FormatException(text)).ToArray();
        Assert.Equal(ascending, versions.Select(version => version.ToString()));
        for (var i = 0; i < versions.Length; i++)
        {
            for (var j = 0; j < versions.Length; j++)
                Assert.Equal(i.CompareTo(j), Math.Sign(versions[i].CompareTo(versions[j])));
        }
    }

    [Theory]
    [InlineData("1.2.3+build.7", true)]
    [InlineData("1.2.3-0a.x-y+001", true)]
    [InlineData("4294967295.0.0", true)]
    [InlineData("", false)]
    [InlineData("1.2", false)]
    [InlineData("1.2.3.4", false)]
    [InlineData("v1.2.3", false)]
    [InlineData("01.2.3", false)]
    [InlineData("1.2.3-", false)]
    [InlineData("1.2.3-01", false)]
    [InlineData("1.2.3-a..b", false)]
    [InlineData("1.2.3+", false)]
    [InlineData(" 1.2.3", false)]
    [InlineData("1.-2.3", false)]
    [InlineData("1.2.٣", false)]
    [InlineData("4294967296.0.0", false)]
    public void What_is_a_version(string text, bool isVersion) => Assert.Equal(isVersion, SemanticVersion.TryParse(text, out _));

    [Fact]
    public void A_million_texts_are_read_or_refused_and_what_is_read_is_printed_back()
    {
        const string Alphabet = "0123456789.-+aZ";
        var accepted = GeneratedInputs.Accepted(7303, (random, count) =>
        {
            var read = 0;
            for (var i = 0; i < count; i++)
            {
                var text = random.Next(2) == 0
                    ? string.Concat(Enumerable.Range(0, random.Next(14)).Select(_ => Alphabet[random.Next(Alphabet.Length)]))
                    : $"{random.Next(40)}.{random.Next(40)}.{random.Next(40)}{string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => Alphabet[random.Next(Alphabet.Length)]))}";
                if (!SemanticVersion.TryParse(text, out var version))
                    continue;
                Assert.Equal(text.Split('+')[0], version.ToString());
                read++;
            }

            return read;
        });
        Assert.InRange(accepted, GeneratedInputs.Count / 10, GeneratedInputs.Count);
    }

    [Theory]
    [InlineData("nym-node", "1.31.0", true, 1)]
    [InlineData("nym-node", "1.32.0", true, 1)]
    [InlineData("nym-node", "1.30.9", true, 0.799)]
    [InlineData("nym-node", "1.29.0", true, 0.495)]
    [InlineData("nym-node", "0.9.0", true, 0)]
    [InlineData("nym-node", "1.31.0", false, 0)]
    [InlineData("fastexit", "1.31.0", true, 0)]
    [InlineData("Nym-Node", "1.31.0", true, 0)]
    public void The_score_follows_the_published_formula(string name, string version, bool terms, double score)
    {
        Assert.True(SemanticVersion.TryParse(version, out var read));
        Assert.Equal(score, ConfigScore.Of(name, read, terms, new SemanticVersion(1, 31, 0, "")), 0.001);
    }
}
