using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using FastExit.Configuration;
using FastExit.Crypto.EndToEnd;
using FastExit.Identity;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Commands;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-commands-").FullName;

    private string Data => Path.Combine(_directory, "data");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Init_makes_a_node_whose_address_can_be_printed()
    {
        var made = await ProgramRun.StartAsync("init", "--data-dir", Data, "--announce", "192.0.2.1:1790", "--listen", "127.0.0.1:1790", "--listen", "[::1]:1791");
        Assert.Equal((0, ""), (made.Code, made.Error));
        var settings = ConfigurationFile.Load(Data, []);
        Assert.Equal("192.0.2.1:1790", settings.MixLink.Announced.ToString());
        Assert.Equal(["127.0.0.1:1790", "[::1]:1791"], settings.MixLink.Listen.Select(listen => listen.ToString()));
        Assert.Equal(Path.Combine(Data, "topology.json"), settings.TopologyFile);
        Assert.Contains("\nfile = \"topology.json\"\n", File.ReadAllText(ConfigurationFile.PathIn(Data)), StringComparison.Ordinal);
        var moved = Path.Combine(_directory, "moved");
        Directory.Move(Data, moved);
        Assert.Equal(Path.Combine(moved, "topology.json"), ConfigurationFile.Load(moved, []).TopologyFile);
        Directory.Move(moved, Data);

        var printed = await ProgramRun.StartAsync("address", "--data-dir", Data, "--json");
        Assert.Equal((0, ""), (printed.Code, printed.Error));
        using var json = JsonDocument.Parse(printed.Output);
        using var keys = NodeKeys.Load(Data);
        Assert.True(Recipient.TryParse(json.RootElement.GetProperty("network_requester").GetString(), out var recipient));
        Assert.Equal(keys.NetworkRequester.Address, recipient);
        Assert.Equal(NodeKeys.Base58Text(keys.Identity), json.RootElement.GetProperty("identity").GetString());
        Assert.Equal(NodeKeys.Base58Text(keys.CurrentSphinxKey.PublicKey), json.RootElement.GetProperty("sphinx_key").GetString());
        Assert.Equal(NodeKeys.Base58Text(keys.NoisePublicKey), json.RootElement.GetProperty("noise_key").GetString());
        Assert.Equal("192.0.2.1:1790", json.RootElement.GetProperty("mix_address").GetString());
        Assert.Equal(keys.IpPacketRouter!.Address.ToString(), json.RootElement.GetProperty("ip_packet_router").GetString());
        Assert.Equal(6, json.RootElement.EnumerateObject().Count());
        Assert.Equal($"{keys.NetworkRequester.Address}\n", (await ProgramRun.StartAsync("address", "--data-dir", Data, "--service", "nr")).Output);
        Assert.Equal($"{keys.IpPacketRouter.Address}\n", (await ProgramRun.StartAsync("address", "--data-dir", Data, "--service", "ipr")).Output);
        foreach (var file in Directory.GetFiles(NodeKeys.DirectoryIn(Data), "ip_packet_router_*"))
            File.Delete(file);
        AssertFails(await ProgramRun.StartAsync("address", "--data-dir", Data, "--service", "ipr"), 1, "ipr.enabled");
        Assert.DoesNotContain("ip_packet_router", (await ProgramRun.StartAsync("address", "--data-dir", Data)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Init_never_touches_a_node_that_is_there_but_by_force_and_then_keeps_its_keys()
    {
        Assert.Equal(0, (await Init()).Code);
        var configuration = File.ReadAllText(ConfigurationFile.PathIn(Data));
        using var before = NodeKeys.Load(Data);
        AssertFails(await Init("--listen", "127.0.0.1:5"), 1, "--force");
        Assert.Equal(configuration, File.ReadAllText(ConfigurationFile.PathIn(Data)));

        Assert.Equal(0, (await Init("--listen", "127.0.0.1:5", "--force")).Code);
        Assert.Equal("127.0.0.1:5", Assert.Single(ConfigurationFile.Load(Data, []).MixLink.Listen).ToString());
        using var after = NodeKeys.Load(Data);
        Assert.Equal(before.IdentitySeed, after.IdentitySeed);
    }

    [Fact]
    public async Task Init_takes_the_rotation_of_a_topology_that_is_there()
    {
        var file = Path.Combine(_directory, "nodes.json");
        new NetworkTopology(42, []).Save(file);
        Assert.Equal(0, (await Init("--topology", file)).Code);
        using var keys = NodeKeys.Load(Data);
        Assert.Equal(42u, keys.CurrentSphinxKey.RotationId);
        Assert.Equal(file, ConfigurationFile.Load(Data, []).TopologyFile);
    }

    [Fact]
    public async Task A_failed_init_leaves_nothing_behind()
    {
        AssertFails(await Init("--listen", "127.0.0.1:5", "--listen", "127.0.0.1:5"), 2, "twice");
        AssertFails(await Init("--listen", "nonsense"), 2, "IP:PORT");
        foreach (var nowhere in new[] { "0.0.0.0:1", "[::]:1", "[::ffff:0.0.0.0]:1", "224.0.0.1:1", "255.255.255.255:1", "192.0.2.1:0" })
            AssertFails(await ProgramRun.StartAsync("init", "--data-dir", Data, "--announce", nowhere), 2, "give the address and port that mix nodes reach, such as 192.0.2.1:1789");
        AssertFails(await ProgramRun.StartAsync("init", "--data-dir", Data, "--announce", "nonsense"), 2, "IP:PORT");
        Assert.Empty(Directory.GetFileSystemEntries(_directory));

        // The keys can be written, config.toml cannot: a directory is in its way.
        Directory.CreateDirectory(Path.Combine(Data, "config.toml", "inner"));
        AssertFails(await Init("--force"), 1, "config.toml");
        Assert.Equal([Path.Combine(Data, "config.toml")], Directory.GetFileSystemEntries(Data));

        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "");
        AssertFails(await ProgramRun.StartAsync("init", "--data-dir", Path.Combine(file, "data"), "--announce", "192.0.2.1:1"), 1, "file");
    }

    [Theory]
    [InlineData(2, "nonsense is not a command of `fastexit`; use one of: init, run, address, policy, check, node, version", "nonsense")]
    [InlineData(2, "a command is missing; use one of: init, run, address, policy, check, node, version; see `fastexit --help`")]
    [InlineData(2, "a command is missing; use one of: check; see `fastexit policy --help`", "policy")]
    [InlineData(2, "put the IPv6 address in brackets: [64:ff9b::7f00]:1, or [64:ff9b::7f00:1]:PORT", "policy", "check", "64:ff9b::7f00:1")]
    [InlineData(2, "put the IPv6 address in brackets: [::1]:PORT", "policy", "check", "::1")]
    [InlineData(2, "put the IPv6 address in brackets: [1:2:3:4:5:6:7:8]:443", "policy", "check", "1:2:3:4:5:6:7:8:443")]
    [InlineData(2, "--data-dir", "run")]
    [InlineData(2, "'x'", "run", "--data-dir", "/nonexistent", "--drain-limit", "x")]
    [InlineData(2, "fastexit init", "run", "--data-dir", "/nonexistent")]
    [InlineData(2, "fastexit init", "address", "--data-dir", "/nonexistent")]
    [InlineData(2, "no port", "policy", "check", "example.org")]
    [InlineData(2, "/nonexistent", "policy", "check", "example.org:443", "--policy", "/nonexistent")]
    [InlineData(2, "contradict", "policy", "check", "example.org:443", "--policy", "/a", "--data-dir", "/b")]
    public async Task Wrong_input_is_one_line_on_standard_error(int code, string part, params string[] arguments) =>
        AssertFails(await ProgramRun.StartAsync(arguments), code, part);

    [Fact]
    public async Task Damaged_files_are_one_line_on_standard_error()
    {
        Assert.Equal(0, (await Init()).Code);
        AssertFails(await ProgramRun.StartAsync("run", "--data-dir", Data), 1, "topology.json: no such file");
        AssertFails(await ProgramRun.StartAsync("run", "--data-dir", Data, "--set", "dns.cache_entries=-1"), 2, "--set dns.cache_entries=-1");
        new NetworkTopology(9, []).Save(Path.Combine(Data, "topology.json"));
        AssertFails(await ProgramRun.StartAsync("run", "--data-dir", Data), 1, "rotation 9");
        File.SetUnixFileMode(Path.Combine(Data, "keys", "node_identity.pem"), (UnixFileMode)0b110_100_100);
        AssertFails(await ProgramRun.StartAsync("address", "--data-dir", Data), 1, "chmod 600");
        File.AppendAllText(ConfigurationFile.PathIn(Data), "\nfile = 3\n");
        AssertFails(await ProgramRun.StartAsync("address", "--data-dir", Data), 2, "config.toml: line ");
    }

    [Theory]
    [InlineData("1.1.1.1:443", 0, "accept *:443")]
    [InlineData("1.1.1.1:25", 1, "denied by the exit policy")]
    [InlineData("127.0.0.1:443", 1, "loopback")]
    [InlineData("[::1]:443", 1, "not a public address")]
    public async Task Policy_check_says_what_a_client_would_get(string destination, int code, string part)
    {
        var run = await ProgramRun.StartAsync("policy", "check", destination);
        Assert.Equal((code, ""), (run.Code, run.Error));
        Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    // Names under .invalid are never asked of a server, and never have addresses.
    [Theory]
    [InlineData("accept *.blocked.invalid:443\naccept *:*\n", 3, "first match: accept *.blocked.invalid:443 (FILE, line 1); it decides; the addresses must be public as well\n")]
    [InlineData("reject 8.8.8.8:*\nreject *.blocked.invalid:443\naccept *:*\n", 3, "first match: reject *.blocked.invalid:443 (FILE, line 2); it decides, unless a rule for certain addresses before it does\n")]
    [InlineData("reject 8.8.8.8:80\naccept *:443\nreject *.blocked.invalid:443\n", 3, "first match: accept *:443 (FILE, line 2); it decides;")]
    [InlineData("accept 8.8.8.8:443\n", 3, "first match: none (FILE), so it is denied, unless a rule for certain addresses accepts it\n")]
    [InlineData("reject *.blocked.invalid:443\naccept *:*\n", 1, "rule: reject *.blocked.invalid:443 (FILE, line 1)")]
    public async Task Policy_check_names_the_first_match_of_a_name_that_does_not_resolve(string rules, int code, string part)
    {
        var file = Path.Combine(_directory, "policy.txt");
        File.WriteAllText(file, rules);
        var run = await ProgramRun.StartAsync("policy", "check", "www.blocked.invalid:443", "--policy", file);
        Assert.Equal((code, ""), (run.Code, run.Error));
        Assert.StartsWith(code == 3 ? "cannot tell: the name does not exist or has no addresses\n" : "denied", run.Output, StringComparison.Ordinal);
        Assert.Contains(part.Replace("FILE", file, StringComparison.Ordinal), run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_check_cannot_tell_when_no_name_server_answers()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Equal(0, (await Init()).Code);
        var configuration = ConfigurationFile.PathIn(Data);
        var policy = Path.Combine(Data, "policy.txt");
        File.WriteAllText(policy, "accept *.allowed.test:443\nreject *:*\n");
        File.WriteAllText(configuration, File.ReadAllText(configuration)
            .Replace("servers = []", $"servers = [\"{silent.LocalEndPoint}\"]", StringComparison.Ordinal)
            .Replace("\nquery_timeout = \"2s\"", "\nquery_timeout = \"100ms\"", StringComparison.Ordinal));
        File.WriteAllText(configuration, System.Text.RegularExpressions.Regex.Replace(
            File.ReadAllText(configuration), @"(\[policy\][^\[]*?\nfile = )""""", "$1\"policy.txt\""));
        Assert.Equal(policy, ConfigurationFile.Load(Data, []).Policy.File);
        var run = await ProgramRun.StartAsync("policy", "check", "www.allowed.test:443", "--data-dir", Data);
        Assert.Equal((3, ""), (run.Code, run.Error));
        Assert.StartsWith("cannot tell: the name could not be resolved", run.Output, StringComparison.Ordinal);
        Assert.Contains($"first match: accept *.allowed.test:443 ({policy}, line 1)", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_and_address_say_how_to_mend_keys_that_are_a_file_and_a_broken_configuration()
    {
        Assert.Equal(0, (await Init()).Code);
        Directory.Delete(Path.Combine(Data, "keys"), recursive: true);
        File.WriteAllText(Path.Combine(Data, "keys"), "");
        AssertFails(await ProgramRun.StartAsync("address", "--data-dir", Data), 1, "keys: is a file, and must be the directory of the keys; move it away");
        AssertFails(await Init("--force"), 1, "keys: is a file");
        var configuration = ConfigurationFile.PathIn(Data);
        File.WriteAllText(configuration, "[mix_link]\nannounced = \"192.0.2.1:1789\n");
        var run = await ProgramRun.StartAsync("check", "--data-dir", Data);
        var line = run.Output.Split('\n').Single(text => text.StartsWith("FAIL configuration: ", StringComparison.Ordinal));
        Assert.StartsWith($"FAIL configuration: {configuration}: line 2: not valid TOML: ", line, StringComparison.Ordinal);
        Assert.EndsWith("; mend: text begins and ends with a double quote on one line, such as announced = \"192.0.2.1:1789\"", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_check_judges_by_a_file_and_by_a_nodes_settings()
    {
        var file = Path.Combine(_directory, "policy.txt");
        File.WriteAllText(file, "reject 1.1.1.1:443\naccept *:*\n");
        Assert.Equal(1, (await ProgramRun.StartAsync("policy", "check", "1.1.1.1:443", "--policy", file)).Code);
        Assert.Equal(0, (await ProgramRun.StartAsync("policy", "check", "1.1.1.1:25", "--policy", file)).Code);
        File.WriteAllText(file, "accept everything\n");
        AssertFails(await ProgramRun.StartAsync("policy", "check", "1.1.1.1:25", "--policy", file), 2, "line 1");

        Assert.Equal(0, (await Init()).Code);
        Assert.Equal(1, (await ProgramRun.StartAsync("policy", "check", "127.0.0.1:443", "--data-dir", Data)).Code);
        var configuration = ConfigurationFile.PathIn(Data);
        File.WriteAllText(configuration, File.ReadAllText(configuration).Replace("allowed_local_prefixes = []", "allowed_local_prefixes = [\"127.0.0.1/32\"]", StringComparison.Ordinal));
        Assert.Equal(0, (await ProgramRun.StartAsync("policy", "check", "127.0.0.1:443", "--data-dir", Data)).Code);
    }

    [Fact]
    public async Task Check_names_what_is_wrong_with_its_mend()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        Assert.Equal(0, (await Init("--listen", $"127.0.0.1:{port}")).Code);
        var run = await ProgramRun.StartAsync("check", "--data-dir", Data);
        Assert.Equal((1, ""), (run.Code, run.Error));
        var lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.Matches("^(ok  |warn|FAIL) [a-z][a-z _]*: .+", line));
        Assert.All(lines.Where(line => !line.StartsWith("ok", StringComparison.Ordinal)), line => Assert.Contains("; mend: ", line, StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"FAIL mix link: 127.0.0.1:{port}: EADDRINUSE; mend: stop what uses it", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("FAIL topology: ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("ok   keys: complete", StringComparison.Ordinal));
        foreach (var subject in new[] { "kernel", "configuration", "io_uring", "memlock", "memory", "cores", "dns", "clock", "metrics", "policy" })
            Assert.Contains(lines, line => line[5..].StartsWith(subject + ":", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Check_compares_the_topology_with_this_node()
    {
        Assert.Equal(0, (await Init()).Code);
        using var keys = NodeKeys.Load(Data);
        var file = Path.Combine(Data, "topology.json");
        var mixes = Enumerable.Range(0, 3).Select(layer => new TopologyNode(
            [(byte)(layer + 1), .. new byte[31]], [(byte)(layer + 9), .. new byte[31]], new IPEndPoint(IPAddress.Parse("192.0.2.9"), 1 + layer), (TopologyRole)layer)).ToList();
        var own = new TopologyNode(keys.Identity.ToArray(), keys.CurrentSphinxKey.PublicKey.ToArray(), new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1789), TopologyRole.Exit);

        async Task<string> OwnEntryAsync(uint rotation, params TopologyNode[] nodes)
        {
            new NetworkTopology(rotation, nodes).Save(file);
            var run = await ProgramRun.StartAsync("check", "--data-dir", Data);
            return run.Output.Split('\n').Single(line => line.Contains(" own entry: ", StringComparison.Ordinal));
        }

        Assert.StartsWith("ok ", await OwnEntryAsync(1, [.. mixes, own]), StringComparison.Ordinal);
        Assert.Contains("no node of layer 2", await OwnEntryAsync(1, mixes[0], mixes[2], own), StringComparison.Ordinal);
        Assert.Contains("rotation 2", await OwnEntryAsync(2, [.. mixes, own]), StringComparison.Ordinal);
        Assert.StartsWith("warn", await OwnEntryAsync(1, [.. mixes]), StringComparison.Ordinal);
        Assert.Contains("another Sphinx key", await OwnEntryAsync(1, [.. mixes, own with { SphinxKey = mixes[0].SphinxKey }]), StringComparison.Ordinal);
        Assert.Contains("announced is 192.0.2.1:1789", await OwnEntryAsync(1, [.. mixes, own with { MixAddress = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 5) }]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_and_help_are_on_standard_output()
    {
        var version = await ProgramRun.StartAsync("version");
        Assert.Equal((0, ""), (version.Code, version.Error));
        Assert.Matches(@"^fastexit \d+\.\d+\.\d+ \(\.NET ", version.Output);
        var help = await ProgramRun.StartAsync("--help");
        Assert.Equal(0, help.Code);
        foreach (var command in new[] { "init", "run", "address", "policy", "check", "version" })
            Assert.Contains($"\n  {command} ", help.Output, StringComparison.Ordinal);
    }

    private Task<ProgramRun> Init(params string[] more) =>
        ProgramRun.StartAsync(["init", "--data-dir", Data, "--announce", "192.0.2.1:1789", .. more]);

    private static void AssertFails(ProgramRun run, int code, string part)
    {
        Assert.Equal((code, ""), (run.Code, run.Output));
        Assert.StartsWith("fastexit: ", run.Error, StringComparison.Ordinal);
        Assert.Equal(run.Error.Length - 1, run.Error.IndexOf('\n', StringComparison.Ordinal));
        Assert.Contains(part, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }
}
