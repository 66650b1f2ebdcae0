using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Topology;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.Commands;

/// <summary>`fastexit run` as its own process, with the real data plane: start, signals, end.</summary>
public sealed class RunProcessTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-run-").FullName;

    private string Data => Path.Combine(_directory, "data");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task It_serves_until_sigterm_and_ends_with_0()
    {
        using var process = await StartAsync();
        var lines = await UntilReadyAsync(process);
        var port = int.Parse(lines.Single(line => line.StartsWith("listening", StringComparison.Ordinal)).Split(':')[^1], CultureInfo.InvariantCulture);
        using (var client = new TcpClient())
            await client.ConnectAsync(IPAddress.Loopback, port);
        using (var http = new HttpClient())
        {
            var text = await http.GetStringAsync(new Uri(lines.Single(line => line.StartsWith("metrics on ", StringComparison.Ordinal))["metrics on ".Length..]));
            Assert.Contains("fastexit_mix_link_connections_accepted_total{core=\"0\"} ", text, StringComparison.Ordinal);
        }

        var (code, log) = await EndAsync(process, LibC.SIGTERM);
        Assert.Equal(0, code);
        Assert.Contains("stopped", log, StringComparison.Ordinal);
        Assert.DoesNotContain("WARNING", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_policy_is_read_again_on_sighup_and_a_bad_one_changes_nothing()
    {
        var policy = Path.Combine(_directory, "policy.txt");
        File.WriteAllText(policy, "accept *:443\nreject *:*\n");
        using var process = await StartAsync("--set", $"policy.file=\"{policy}\"", "--set", "policy.allowed_local_prefixes=[\"127.0.0.1/32\"]");
        await UntilReadyAsync(process);

        File.WriteAllText(policy, "accept everything\n");
        File.SetLastWriteTimeUtc(policy, DateTime.UtcNow.AddSeconds(5));
        Assert.Equal(0, LibC.kill(process.Id, LibC.SIGHUP));
        var log = await UntilLogAsync(process, "the last good one stays");
        Assert.Contains("line 1", log, StringComparison.Ordinal);
        Assert.Contains("WARNING: policy.allowed_local_prefixes is SET", log, StringComparison.Ordinal);

        File.WriteAllText(policy, "accept *:80\nreject *:*\n");
        File.SetLastWriteTimeUtc(policy, DateTime.UtcNow.AddSeconds(10));
        Assert.Equal(0, LibC.kill(process.Id, LibC.SIGHUP));
        await UntilLogAsync(process, "policy read again");
        Assert.Equal(0, (await EndAsync(process, LibC.SIGINT)).Code);
    }

    [Fact]
    public async Task A_port_in_use_is_one_line()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        await InitializeAsync();
        var run = await ProgramRun.StartAsync("run", "--data-dir", Data, "--set", $"mix_link.listen=[\"{taken.LocalEndpoint}\"]", "--set", "cores.pin=false");
        Assert.Equal(1, run.Code);
        Assert.DoesNotContain("ready", run.Output, StringComparison.Ordinal);
        Assert.Matches("^fastexit: [^\n]*EADDRINUSE[^\n]*\n$", run.Error);
    }

    private async Task InitializeAsync()
    {
        Assert.Equal(0, (await ProgramRun.StartAsync("init", "--data-dir", Data, "--announce", "127.0.0.1:1789", "--listen", "127.0.0.1:0")).Code);
        var mixes = Enumerable.Range(0, 3).Select(layer => new TopologyNode(
            [(byte)(layer + 1), .. new byte[31]], [(byte)(layer + 9), .. new byte[31]], new IPEndPoint(IPAddress.Loopback, 1 + layer), (TopologyRole)layer));
        new NetworkTopology(1, [.. mixes]).Save(ConfigurationFile.Load(Data, []).TopologyFile);
    }

    private async Task<Process> StartAsync(params string[] more)
    {
        await InitializeAsync();
        return Process.Start(ProgramRun.StartInfo(
            ["run", "--data-dir", Data, "--set", "cores.pin=false", "--set", "metrics.listen=\"127.0.0.1:0\"", "--set", "memory.huge_pages=false", .. more]))!;
    }

    private static async Task<List<string>> UntilReadyAsync(Process process)
    {
        var lines = new List<string>();
        using var timeout = new CancellationTokenSource(s_patience);
        while (await process.StandardOutput.ReadLineAsync(timeout.Token) is { } line)
        {
            if (line == "ready")
                return lines;
            lines.Add(line);
        }

        throw new InvalidOperationException($"not ready: {await process.StandardError.ReadToEndAsync(timeout.Token)}");
    }

    private static async Task<string> UntilLogAsync(Process process, string part)
    {
        var log = "";
        using var timeout = new CancellationTokenSource(s_patience);
        while (await process.StandardError.ReadLineAsync(timeout.Token) is { } line)
        {
            log += line + "\n";
            if (line.Contains(part, StringComparison.Ordinal))
                return log;
        }

        throw new InvalidOperationException($"'{part}' was not logged: {log}");
    }

    private static async Task<(int Code, string Log)> EndAsync(Process process, int signal)
    {
        Assert.Equal(0, LibC.kill(process.Id, signal));
        using var timeout = new CancellationTokenSource(s_patience);
        var log = await process.StandardError.ReadToEndAsync(timeout.Token);
        await process.WaitForExitAsync(timeout.Token);
        return (process.ExitCode, log);
    }
}
