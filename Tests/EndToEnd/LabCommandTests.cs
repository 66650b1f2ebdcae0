using System.Diagnostics;
using System.Globalization;
using System.Net;
using FastExit.Bench.Lab;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary><c>fastexit-bench lab --socks</c> as a person runs it: one process that brings everything, and takes it away again.</summary>
[Collection(OwnLabRun.Name)]
public sealed class LabCommandTests
{
    [Fact]
    public async Task The_lab_serves_curl_and_ends_with_its_exit()
    {
        string folder = Path.Combine(Path.GetTempPath(), $"fastexit-lab-{Guid.NewGuid():N}");
        IPEndPoint[] free = LabDirectory.FreeAddresses(2);
        var info = new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "fastexit-bench"),
            ["lab", "--dir", folder, "--socks", free[0].ToString(), "--no-web", "--set", $"metrics.listen=\"{free[1]}\"",
                "--set", ExitLab.OpenGuard, "--set", "policy.open_proxy=true"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        using var page = new TcpDestination(TcpDestination.EchoAsync);
        using Process lab = Process.Start(info)!;
        try
        {
            var exit = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            lab.OutputDataReceived += (_, e) =>
            {
                int at = e.Data?.IndexOf("(process ", StringComparison.Ordinal) ?? -1;
                if (at >= 0)
                {
                    string rest = e.Data![(at + "(process ".Length)..];
                    exit.TrySetResult(int.Parse(rest[..rest.IndexOf(')', StringComparison.Ordinal)], CultureInfo.InvariantCulture));
                }
            };
            lab.BeginOutputReadLine();
            lab.BeginErrorReadLine();
            int exitId = await exit.Task.WaitAsync(TimeSpan.FromSeconds(90));
            using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(90));
            using (SocksConnection connection = await SocksDialer.DialAsync(free[0], SocksForm.Five, "127.0.0.1", page.Port, stop.Token))
            {
                Assert.True(connection.Granted);
                await SocksDialer.SendAllAsync(connection.Socket, new byte[] { 1, 2, 3 }, stop.Token);
                Assert.Equal([1, 2, 3], await SocksDialer.ReceiveExactlyAsync(connection.Socket, 3, stop.Token));
            }

            Assert.True(Directory.Exists($"/proc/{exitId}"));
            Assert.Equal(0, LibC.kill(lab.Id, LibC.SIGTERM));
            await lab.WaitForExitAsync(stop.Token);
            Assert.Equal(0, lab.ExitCode);
            Assert.False(Directory.Exists($"/proc/{exitId}"), "the exit outlived its lab");
        }
        finally
        {
            if (!lab.HasExited)
                lab.Kill();
            Directory.Delete(folder, recursive: true);
        }
    }
}
