using System.Diagnostics;
using System.Globalization;
using System.Net;
using FastExit.Configuration;
using FastExit.Tests.Commands;
using FastExit.Tests.Native;
using FastExit.Topology;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Host;

/// <summary>The built program with its IP packet router in a network namespace: as root and as nobody with one capability.</summary>
public sealed class RouterProcessTests : IDisposable
{
    private const string Unprivileged = "--reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin";
    private const string WithoutCapability = "--reuid 65534 --regid 65534 --clear-groups";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-ipr-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [SkippableTheory]
    [InlineData(LibCSignal.Terminate)]
    [InlineData(LibCSignal.Kill)]
    public async Task Neither_an_end_nor_a_kill_leaves_device_or_table(int signal)
    {
        using NetworkNamespace space = await PrepareAsync();
        using Process process = Start(space, "exec", "run");
        await UntilReadyAsync(process);
        Assert.Contains("10.0.0.1/16", space.Ip("-br addr"));
        Assert.Contains("fastexit_nymtun0", space.Execute("nft", "list tables"));
        Assert.Equal(0, LibC.kill(process.Id, signal));
        await process.WaitForExitAsync();
        Assert.True(SpinWait.SpinUntil(
            () => !space.Ip("-br link").Contains("nymtun") && space.Execute("nft", "list tables").Trim().Length == 0, s_patience));
    }

    [SkippableFact]
    public async Task One_capability_is_enough()
    {
        Tool.Require("setpriv");
        using NetworkNamespace space = await PrepareAsync();
        using Process process = Start(space, OpenDevice + $"exec setpriv {Unprivileged}", "run");
        await UntilReadyAsync(process);
        string status = File.ReadAllText($"/proc/{process.Id}/status");
        Assert.Contains("Uid:\t65534", status);
        Assert.Contains("CapEff:\t0000000000001000", status);
        Assert.Contains("10.0.0.1/16", space.Ip("-br addr"));
        Assert.Equal("1", space.Execute("cat", "/proc/sys/net/ipv4/ip_forward").Trim());
        Assert.Equal(0, LibC.kill(process.Id, LibCSignal.Terminate));
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        Assert.DoesNotContain("nymtun", space.Ip("-br link"));
    }

    [SkippableFact]
    public async Task Without_it_the_start_and_the_check_say_what_is_missing()
    {
        Tool.Require("setpriv");
        using NetworkNamespace space = await PrepareAsync();
        using Process run = Start(space, OpenDevice + $"exec setpriv {WithoutCapability}", "run");
        string error = await run.StandardError.ReadToEndAsync();
        await run.WaitForExitAsync();
        Assert.Equal(1, run.ExitCode);
        Assert.Matches("^fastexit: creating TUN device [^\n]*EPERM[^\n]*AmbientCapabilities=CAP_NET_ADMIN[^\n]*\n$", error);

        using Process check = Start(space, OpenDevice + $"exec setpriv {WithoutCapability}", "check");
        string findings = await check.StandardOutput.ReadToEndAsync();
        Assert.Contains("FAIL CAP_NET_ADMIN: ", findings);
        Assert.Contains("FAIL tunnel device: ", findings);
        Assert.Contains("FAIL IPv4 forwarding: off, and this process may not turn it on; mend: let root do it", findings);
    }

    // The device file's mode is the host's; `ip netns exec` has a mount namespace of its own to put another in its place.
    private string OpenDevice => $"mknod {_directory}/tun$$ c 10 200 && chmod 666 {_directory}/tun$$ && mount --bind {_directory}/tun$$ /dev/net/tun && ";

    private async Task<NetworkNamespace> PrepareAsync()
    {
        NetworkNamespace.Require();
        Tool.Require("nft");
        string data = Path.Combine(_directory, "data");
        Assert.Equal(0, (await ProgramRun.StartAsync("init", "--data-dir", data, "--announce", "127.0.0.1:1789", "--listen", "127.0.0.1:0")).Code);
        var mixes = Enumerable.Range(0, 3).Select(layer => new TopologyNode(
            [(byte)(layer + 1), .. new byte[31]], [(byte)(layer + 9), .. new byte[31]], new IPEndPoint(IPAddress.Loopback, 1 + layer), (TopologyRole)layer));
        new NetworkTopology(1, [.. mixes]).Save(ConfigurationFile.Load(data, []).TopologyFile);
        string file = Path.Combine(data, "config.toml");
        string text = File.ReadAllText(file);
        int section = text.IndexOf("[ipr]", StringComparison.Ordinal);
        File.WriteAllText(file, string.Concat(text.AsSpan(0, section), text[section..].Replace("enabled = false", "enabled = true")));
        Tool.Run("chown", $"-R 65534:65534 {_directory}");
        return NetworkNamespace.Create("p");
    }

    private Process Start(NetworkNamespace space, string prefix, string command)
    {
        string options = command == "run" ? " --set cores.pin=false --set memory.huge_pages=false --set 'metrics.listen=\"127.0.0.1:0\"'" : "";
        string line = string.Create(CultureInfo.InvariantCulture, $"{prefix} {ProgramRun.Path} {command} --data-dir {_directory}/data{options}");
        return Process.Start(new ProcessStartInfo("ip", ["netns", "exec", space.Name, "sh", "-c", line])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    private static async Task UntilReadyAsync(Process process)
    {
        using var timeout = new CancellationTokenSource(s_patience);
        while (await process.StandardOutput.ReadLineAsync(timeout.Token) is { } line)
        {
            if (line == "ready")
                return;
        }

        Assert.Fail($"not ready: {await process.StandardError.ReadToEndAsync(timeout.Token)}");
    }

    private static class LibCSignal
    {
        public const int Kill = 9;
        public const int Terminate = 15;
    }
}
