using System.Diagnostics;
using System.Net;
using System.Text.Json;
using FastExit.Configuration;
using FastExit.Topology;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.Commands;

/// <summary>`fastexit node describe` as a process, beside a running `fastexit run` too.</summary>
public sealed class NodeCommandTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-node-").FullName;

    private string Data => Path.Combine(_directory, "data");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_fresh_node_is_told_what_the_network_would_not_accept()
    {
        await InitializeAsync();
        var run = await ProgramRun.StartAsync("node", "describe", "--data-dir", Data);
        Assert.Equal(1, run.Code);
        Assert.Contains("addresses: 127.0.0.1\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("program: fastexit ", run.Output, StringComparison.Ordinal);
        Assert.Contains("FAIL addresses: 127.0.0.1 (loopback); the API refuses the node; mend: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("FAIL build: binary name \"fastexit\" is scored 0", run.Output, StringComparison.Ordinal);
        Assert.Contains("FAIL terms: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("warn entry: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("ok   signature: good\n", run.Output, StringComparison.Ordinal);

        run = await ProgramRun.StartAsync("node", "describe", "--data-dir", Data, "--private", "--json");
        Assert.Equal(0, run.Code);
        using var json = JsonDocument.Parse(run.Output);
        Assert.True(json.RootElement.GetProperty("usable").GetBoolean());
        Assert.Equal("127.0.0.1", json.RootElement.GetProperty("answers").GetProperty("/host-information").GetProperty("data").GetProperty("ip_address")[0].GetString());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("answers").GetProperty("/ip-packet-router").ValueKind);
    }

    [Fact]
    public async Task A_running_node_is_described_over_http_until_it_ends()
    {
        await InitializeAsync();
        var token = Path.Combine(_directory, "token");
        File.WriteAllText(token, "0123456789abcdef0123456789abcdef\n");
        File.SetUnixFileMode(token, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var process = Process.Start(ProgramRun.StartInfo(
            "run", "--data-dir", Data, "--set", "cores.pin=false", "--set", "metrics.listen=\"\"", "--set", "memory.huge_pages=false", "--set", "node.http_listen=\"127.0.0.1:0\"", "--set", $"node.metrics_token_file=\"{token}\""))!;
        using var timeout = new CancellationTokenSource(s_patience);
        var url = "";
        while (await process.StandardOutput.ReadLineAsync(timeout.Token) is { } line && line != "ready")
        {
            if (line.StartsWith("node interface on ", StringComparison.Ordinal))
                url = line["node interface on ".Length..];
        }

        Assert.StartsWith("http://127.0.0.1:", url, StringComparison.Ordinal);
        var run = await ProgramRun.StartAsync("node", "describe", "--url", url, "--data-dir", Data, "--private");
        Assert.Equal("", run.Error);
        Assert.True(run.Code == 0, run.Output);
        Assert.Contains("ok   signature: good\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("ok   answers: all that the API asks for\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("roles: entry, exit by network requester\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("noise: version 1\n", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await ProgramRun.StartAsync("node", "describe", "--url", url)).Code);

        var other = Path.Combine(_directory, "other");
        Assert.Equal(0, (await ProgramRun.StartAsync("init", "--data-dir", other, "--announce", "127.0.0.1:1789", "--http-listen", "[::]:8080")).Code);
        run = await ProgramRun.StartAsync("node", "describe", "--url", url, "--data-dir", other, "--private");
        Assert.Equal(1, run.Code);
        Assert.Contains("FAIL signature: good, but of another identity", run.Output, StringComparison.Ordinal);

        using (var client = new HttpClient())
        {
            client.DefaultRequestHeaders.Authorization = new("Bearer", "0123456789abcdef0123456789abcdef");
            Assert.Contains("fastexit_core_loops_total{core=\"0\"}", await client.GetStringAsync(new Uri(new Uri(url), "/api/v1/metrics/prometheus")), StringComparison.Ordinal);
        }

        Assert.Equal(0, LibC.kill(process.Id, LibC.SIGTERM));
        await process.WaitForExitAsync(timeout.Token);
        Assert.Equal(0, process.ExitCode);
        run = await ProgramRun.StartAsync("node", "describe", "--url", url, "--private");
        Assert.Equal(1, run.Code);
        Assert.Matches("FAIL answers: /health: [^\n]*; the API skips the node", run.Output);
    }

    [Fact]
    public async Task Bad_input_is_one_line()
    {
        Assert.Matches("^fastexit: node describe: give --data-dir [^\n]*\n$", (await ProgramRun.StartAsync("node", "describe")).Error);
        foreach (var (option, value) in new[] { ("--url", "ftp://192.0.2.1/"), ("--url", "http://192.0.2.1/api/v1"), ("--newest-release", "1.31") })
        {
            var run = await ProgramRun.StartAsync("node", "describe", option, value);
            Assert.Equal(2, run.Code);
            Assert.Matches($"^fastexit: {option} '[^\n]*\n$", run.Error);
        }

        await InitializeAsync();
        var token = Path.Combine(_directory, "token");
        foreach (var (text, mode, problem) in new[] { ("short", UnixFileMode.UserRead, "16 visible ASCII characters"), ("0123456789abcdef", UnixFileMode.UserRead | UnixFileMode.OtherRead, "chmod 600") })
        {
            File.Delete(token);
            File.WriteAllText(token, text);
            File.SetUnixFileMode(token, mode);
            var run = await ProgramRun.StartAsync("run", "--data-dir", Data, "--set", "cores.pin=false", "--set", "metrics.listen=\"\"", "--set", "node.http_listen=\"127.0.0.1:0\"", "--set", $"node.metrics_token_file=\"{token}\"");
            Assert.Equal(1, run.Code);
            Assert.Matches($"^fastexit: [^\n]*{problem}[^\n]*\n$", run.Error);
        }
    }

    private async Task InitializeAsync()
    {
        Assert.Equal(0, (await ProgramRun.StartAsync("init", "--data-dir", Data, "--announce", "127.0.0.1:1789", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:8080")).Code);
        var mixes = Enumerable.Range(0, 3).Select(layer => new TopologyNode(
            [(byte)(layer + 1), .. new byte[31]], [(byte)(layer + 9), .. new byte[31]], new IPEndPoint(IPAddress.Loopback, 1 + layer), (TopologyRole)layer));
        new NetworkTopology(1, [.. mixes]).Save(ConfigurationFile.Load(Data, []).TopologyFile);
    }
}
