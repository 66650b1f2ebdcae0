using System.Net;
using System.Text;
using FastExit.Configuration;
using Xunit;

namespace FastExit.Tests.Configuration;

public sealed class ConfigurationFileTests
{
    private const string Announce = "[mix_link]\nannounced = \"192.0.2.1:1789\"\n";
    private static readonly IPEndPoint s_announced = new(IPAddress.Parse("192.0.2.1"), 1789);

    [Fact]
    public void The_written_file_names_every_setting_with_its_default_and_a_note()
    {
        var defaults = ConfigurationFile.Defaults("/data", s_announced);
        var text = ConfigurationFile.Format(defaults);
        foreach (var setting in Setting.All)
        {
            Assert.True(setting.Note is { Length: > 5 }, $"{setting.Key} has no note");
            Assert.NotNull(SettingNotes.ForSection(setting.Section));
            Assert.Contains($"# {setting.Note}\n{setting.Name} = {(setting.Key == SettingNotes.TopologyFile ? "\"topology.json\"" : SettingValue.Format(setting, setting.Read(defaults)))}\n", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_property_of_the_settings_is_a_key()
    {
        var properties = typeof(ExitSettings).GetProperties()
            .Where(room => room.PropertyType.Name.EndsWith("Settings", StringComparison.Ordinal))
            .Sum(room => room.PropertyType.GetProperties().Length);
        // Beside the rooms: the topology's file is a key, the data directory is where the file lies.
        Assert.Equal(2, typeof(ExitSettings).GetProperties().Count(room => !room.PropertyType.Name.EndsWith("Settings", StringComparison.Ordinal)));
        Assert.Equal(properties + 1, Setting.All.Length);
        Assert.Equal(Setting.All.Length, Setting.All.Select(setting => setting.Key).Distinct().Count());
    }

    [Fact]
    public void Reading_the_written_file_gives_the_defaults()
    {
        var defaults = ConfigurationFile.Defaults("/data", s_announced);
        AssertSame(defaults, Parse(ConfigurationFile.Format(defaults)));
        AssertSame(defaults, Parse(Announce));
    }

    [Fact]
    public void Defaults_are_inside_their_ranges_and_the_lowest_and_highest_values_are_taken()
    {
        foreach (var setting in Setting.All.Where(setting => setting.Kind is SettingKind.Whole or SettingKind.Duration))
        {
            foreach (var bound in new[] { setting.Minimum, setting.Maximum })
            {
                var text = setting.Kind == SettingKind.Duration ? $"\"{bound}ms\"" : $"{bound}";
                try
                {
                    var value = setting.Read(Parse(Announce, $"{setting.Key} = {text}"));
                    Assert.Equal(bound, value is TimeSpan duration ? (long)duration.TotalMilliseconds : Convert.ToInt64(value, null));
                }
                catch (ConfigurationException error)
                {
                    // Inside its own range a value can only be refused for another key.
                    Assert.True(error.Message.Contains("contradicts", StringComparison.Ordinal) || error.Message.Contains("memory", StringComparison.Ordinal), error.Message);
                }
            }

            var beyond = setting.Kind == SettingKind.Duration ? $"\"{setting.Maximum + 1}ms\"" : $"{setting.Maximum + 1}";
            Assert.Contains("must be", Refusal(Announce, $"{setting.Key} = {beyond}"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Values_overrides_dotted_keys_and_inline_tables_arrive()
    {
        var settings = Parse(
            """
            mix_link = { announced = "[2001:db8::7]:1790", listen = ["127.0.0.1:0", "[::1]:1789"] }
            topology.file = "net/nodes.json"
            [cores]
            cores = [1, 0]
            [dns]
            servers = ["9.9.9.9:53"]
            cache_maximum = "2m"
            [metrics]
            listen = ""
            [policy]
            file = "my.txt"
            url = "https://example.org/p"
            """,
            "dns.cache_entries = 5",
            "dns.cache_entries = 6",
            "memory.assembly_bytes = 8388608",
            "policy.allowed_local_prefixes = [\"127.0.0.1/32\"]");
        Assert.Equal("[2001:db8::7]:1790", settings.MixLink.Announced.ToString());
        Assert.Equal(["127.0.0.1:0", "[::1]:1789"], settings.MixLink.Listen.Select(entry => entry.ToString()));
        Assert.Equal("/data/net/nodes.json", settings.TopologyFile);
        Assert.Equal("/data/my.txt", settings.Policy.File);
        Assert.Equal(new Uri("https://example.org/p"), settings.Policy.Url);
        Assert.Equal([1, 0], settings.Cores.Cores);
        Assert.Equal("9.9.9.9:53", Assert.Single(settings.Dns.Servers).ToString());
        Assert.Equal(TimeSpan.FromMinutes(2), settings.Dns.CacheMaximum);
        Assert.Equal(6, settings.Dns.CacheEntries);
        Assert.Equal(8L << 20, settings.Memory.AssemblyBytes);
        Assert.Null(settings.Metrics.Listen);
        Assert.Equal(["127.0.0.1/32"], settings.Policy.AllowedLocalPrefixes);
    }

    [Theory]
    [InlineData("x = 1", 1, "x is not a setting")]
    [InlineData("[dns]\ncache_entrys = 1", 2, "did you mean dns.cache_entries?")]
    [InlineData("[dns]\ncache_entries = \"1\"", 2, "a whole number")]
    [InlineData("[dns]\ncache_entries = -1", 2, "must be 0 to")]
    [InlineData("[dns]\ncache_entries = 99999999999", 2, "must be 0 to")]
    [InlineData("[dns]\nquery_timeout = 2", 2, "a time, such as")]
    [InlineData("[dns]\nquery_timeout = \"2\"", 2, "a time, such as")]
    [InlineData("[dns]\nquery_timeout = \"2h\"", 2, "must be 10ms to 1m")]
    [InlineData("[dns]\ncache_minimum = \"61s\"", 2, "must not be above")]
    [InlineData("[dns]\nservers = [\"9.9.9.9\"]", 2, "IP:PORT")]
    [InlineData("[dns]\nservers = [\"9.9.9.9:0\"]", 2, "server's address and port")]
    [InlineData("[dns]\nservers = [\"9.9.9.9:53\", \"9.9.9.9:53\"]", 2, "twice")]
    [InlineData("[memory]\nassembly_bytes = \"64MB\"", 2, "a size, such as")]
    [InlineData("[memory]\nassembly_bytes = \"2047MiB\"", 2, "below 2048 MiB")]
    [InlineData("[memory]\nregular_slots = 819200", 2, "below 2048 MiB")]
    [InlineData("[cores]\ncores = []", 2, "1 entries to 64 entries")]
    [InlineData("[cores]\ncores = [0, 0]", 2, "0 twice")]
    [InlineData("[cores]\ncores = [1024]", 2, "up to 1023")]
    [InlineData("[cores]\ncores = [-1]", 2, "whole numbers")]
    [InlineData("[cores]\npin = \"yes\"", 2, "true or false")]
    [InlineData("[mix_link]\nlisten = []", 2, "1 entries")]
    [InlineData("[mix_link]\nlisten = [\"1.2.3.4:5\", \"1.2.3.4:5\"]", 2, "1.2.3.4:5 twice")]
    [InlineData("[mix_link]\nlisten = [\"224.0.0.1:5\"]", 2, "multicast")]
    [InlineData("[mix_link]\ninitial_backoff = \"2m\"", 2, "must not be above")]
    [InlineData("[mix_link]\naccept_plain = \"sometimes\"", 2, "\"always\"")]
    [InlineData("[metrics]\nlisten = \"0.0.0.0:9184\"", 2, "allow_remote")]
    [InlineData("[metrics]\nlisten = \"127.0.0.1:5\"\n[mix_link]\nlisten = [\"127.0.0.1:5\"]", 2, "mix_link.listen has too")]
    [InlineData("[policy]\nurl = \"ftp://example.org/\"", 2, "http or https")]
    [InlineData("[policy]\nallowed_local_prefixes = [\"127.0.0.1/33\"]", 2, "prefixes such as")]
    [InlineData("[policy]\nfile = \"a\\u0000b\"", 2, "text in quotes")]
    [InlineData("[topology]\nfile = \"\"", 2, "must not be empty")]
    [InlineData("[delivery]\nsurb_minimum = 300", 2, "must not be above")]
    [InlineData("[node]\nannounced_addresses = [\"192.0.2.1:1789\"]", 2, "without port")]
    [InlineData("[node]\nannounced_addresses = [\"fe80::1%eth0\"]", 2, "without port")]
    [InlineData("[node]\nannounced_addresses = [\"0.0.0.0\"]", 2, "that others reach")]
    [InlineData("[node]\nannounced_addresses = [\"192.0.2.1\", \"192.0.2.1\"]", 2, "twice")]
    [InlineData("[node]\nhostname = \"https://exit.example.org\"", 2, "DNS name without port or scheme")]
    [InlineData("[node]\nlocation = \"Switzerland\"", 2, "two capital letters")]
    [InlineData("[node]\nbinary_name = \"\"", 2, "must not be empty")]
    [InlineData("[node]\nbuild_version = \"1.31\"", 2, "semantic version")]
    [InlineData("[node]\nws_port = 0", 2, "must be 1 to 65535")]
    [InlineData("[node]\nwss_port = 9001", 2, "a certificate is for a name")]
    [InlineData("[node]\nhttp_listen = \"[::]:1789\"", 2, "mix_link.listen has its port")]
    [InlineData("[node]\naccept_operator_terms = \"yes\"", 2, "true or false")]
    [InlineData("[node]\nhttp_listen = 8080", 2, "IP:PORT")]
    [InlineData("[[dns]]\ncache_entries = 1", 1, "write [dns]")]
    [InlineData("[dns]\ncache_entries = ", 2, "; write one key = value a line")]
    [InlineData("[dns\n", 1, "; close every bracket")]
    [InlineData("[dns]\nquery_timeout = \"2s\n", 2, "; text begins and ends with a double quote")]
    [InlineData("[dns]\ncache_entries = 1\ncache_entries = 2", 3, "")]
    public void Mistakes_are_named_with_line_and_mend(string toml, int line, string mend)
    {
        var error = Assert.Throws<ConfigurationException>(() => Parse(toml, "mix_link.announced = \"192.0.2.1:1789\""));
        Assert.StartsWith($"config.toml: line {line}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(mend, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("0.0.0.0:1789")]
    [InlineData("[::]:1789")]
    [InlineData("224.0.0.1:1789")]
    [InlineData("192.0.2.1:0")]
    public void An_announced_address_is_one_that_can_be_reached(string address) =>
        Assert.Contains("announced", Refusal($"[mix_link]\nannounced = \"{address}\""), StringComparison.Ordinal);

    [Fact]
    public void An_announced_address_is_required() =>
        Assert.Contains("mix_link.announced is missing", Refusal("[cores]\npin = false"), StringComparison.Ordinal);

    [Theory]
    [InlineData("dns.cache_entries")]
    [InlineData("dns.cache_entries = 1\ncores.pin = false")]
    [InlineData("")]
    [InlineData("= 1")]
    [InlineData("policy.file = /etc/x")]
    [InlineData("dns.cache_entries = \"a\"")]
    public void Bad_overrides_are_named(string entry)
    {
        var message = Refusal(Announce, entry);
        Assert.StartsWith("--set ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Text_survives_writing_and_reading()
    {
        var settings = ConfigurationFile.Defaults("/data", s_announced) with { TopologyFile = "/odd \"name\"\\x\ty.json" };
        // A tab is a control character: written as an escape, refused as a path.
        Assert.Throws<ConfigurationException>(() => Parse(ConfigurationFile.Format(settings)));
        settings = settings with { TopologyFile = "/odd \"name\"\\x é.json" };
        Assert.Equal(settings.TopologyFile, Parse(ConfigurationFile.Format(settings)).TopologyFile);
    }

    [Fact]
    public void Deep_nesting_is_refused_before_it_is_parsed() =>
        Assert.Contains("nested", Refusal("a = " + new string('[', 200_000)), StringComparison.Ordinal);

    private static ExitSettings Parse(string text, params string[] overrides) =>
        ConfigurationFile.Parse("/data", "config.toml", text, overrides);

    private static string Refusal(string text, params string[] overrides) =>
        Assert.Throws<ConfigurationException>(() => Parse(text, overrides)).Message;

    private static void AssertSame(ExitSettings expected, ExitSettings actual)
    {
        Assert.Equal(expected.DataDirectory, actual.DataDirectory);
        foreach (var setting in Setting.All)
            Assert.Equal(SettingValue.Format(setting, setting.Read(expected)), SettingValue.Format(setting, setting.Read(actual)));
    }
}
