using System.Net;
using System.Text.Json;
using FastExit.Bench.Lab;
using FastExit.Tests.Native;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>What applications in a namespace do; each fails the test when it does not work.</summary>
internal static class Traffic
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    /// <summary>Until three echoes of so many bytes are answered, for ten seconds.</summary>
    public static async Task PingAsync(NetworkNamespace space, IPAddress target, int payloadBytes = 56)
    {
        (int code, string text) = await SpaceProcess.RunAsync(
            space, s_limit, "ping", "-n", "-c", "3", "-i", "0.3", "-w", "10", "-s", $"{payloadBytes}", $"{target}");
        Assert.True(code == 0, text);
    }

    /// <summary>One echo request that must not be answered by its target; what ping said.</summary>
    public static async Task<string> PingInVainAsync(NetworkNamespace space, IPAddress target, int seconds = 3)
    {
        (int code, string text) = await SpaceProcess.RunAsync(space, s_limit, "ping", "-n", "-c", "1", "-W", $"{seconds}", $"{target}");
        Assert.True(code == 1, $"{code}: {text}");
        return text;
    }

    /// <summary>Fetches and compares.</summary>
    public static async Task FetchAsync(NetworkNamespace space, string host, long bytes, params string[] more)
    {
        CurlResult result = await CurlAsync(space, [.. more, $"http://{host}/{bytes}"]);
        Assert.True(result.ExitCode == 0, $"curl: {result.ExitCode} {result.Errors}");
        Assert.Equal(bytes, result.Bytes);
        Assert.Equal(LabWeb.Digest(bytes), result.Digest);
    }

    /// <summary>Sends a file and compares.</summary>
    public static async Task UploadAsync(NetworkNamespace space, string host, int bytes, params string[] more)
    {
        string file = Path.GetTempFileName();
        try
        {
            byte[] content = new byte[bytes];
            LabWeb.Fill(content, 0);
            await File.WriteAllBytesAsync(file, content);
            CurlResult result = await CurlAsync(space, [.. more, "--header", "Expect:", "--upload-file", file, $"http://{host}/file"]);
            Assert.True(result.ExitCode == 0, $"curl: {result.ExitCode} {result.Errors}");
            Assert.Equal(LabWeb.Digest(bytes), result.Text);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public static Task<CurlResult> CurlAsync(NetworkNamespace space, params IReadOnlyList<string> arguments) => CurlCommand.RunAsync(
        SpaceProcess.StartInfo(
            space,
            "curl",
            ["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", $"{s_limit.TotalSeconds:0}", .. arguments]),
        s_limit);

    public static async Task<string> DigAsync(NetworkNamespace space, params IReadOnlyList<string> arguments)
    {
        (int code, string text) = await SpaceProcess.RunAsync(space, s_limit, "dig", ["+tries=3", "+time=5", .. arguments]);
        Assert.True(code == 0, text);
        return text;
    }

    /// <summary>iperf3 for three seconds at a small rate; the bytes that arrived.</summary>
    /// <param name="space">Where the client runs.</param>
    /// <param name="internet">Where the server runs.</param>
    /// <param name="target">The server's address.</param>
    /// <param name="udp">Datagrams instead of a connection.</param>
    /// <param name="downwards">From the server to the client.</param>
    public static async Task<double> SpeedAsync(
        NetworkNamespace space, NetworkNamespace internet, IPAddress target, bool udp, bool downwards)
    {
        // A server of its own, because between two clients iperf3 closes its listener and resets who is waiting there;
        // bound, because it answers datagrams from whichever of the host's addresses the kernel likes best.
        using SpaceProcess server = SpaceProcess.Start(
            internet, "iperf3", "--server", "--one-off", "--forceflush", "--port", $"{TunnelWorld.SpeedPort}", "--bind", $"{target}");
        await server.LineAsync("Server listening", TimeSpan.FromSeconds(10));
        List<string> arguments =
            ["--client", $"{target}", "--port", $"{TunnelWorld.SpeedPort}", "--time", "3", "--bitrate", "300k", "--json", "--connect-timeout", "10000"];
        if (udp)
            arguments.AddRange(["--udp", "--length", "1200"]);
        if (downwards)
            arguments.Add("--reverse");
        (int code, string text) = await SpaceProcess.RunAsync(space, s_limit, "iperf3", arguments);
        Assert.True(code == 0, text);
        using JsonDocument report = JsonDocument.Parse(text);
        Assert.False(report.RootElement.TryGetProperty("error", out JsonElement error), error.ToString());
        JsonElement end = report.RootElement.GetProperty("end");
        if (!udp)
            return end.GetProperty("sum_received").GetProperty("bytes").GetDouble();
        JsonElement sum = end.GetProperty("sum");
        double lost = sum.GetProperty("lost_packets").GetDouble(), packets = sum.GetProperty("packets").GetDouble();
        Assert.True(packets > 0, text);
        return (packets - lost) * 1200;
    }
}
