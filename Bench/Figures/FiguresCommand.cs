using System.CommandLine;
using System.Globalization;
using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using Spectre.Console;

namespace FastExit.Bench.Figures;

/// <summary>
/// `fastexit-bench figures`: what one core of a real exit carries for one client through five hops on this machine. Client, entry and
/// mix nodes share the machine, so the rates are those of the whole path; bytes allocated and memory are the exit's own.
/// </summary>
internal static class FiguresCommand
{
    // Tables grow to their working size once; the figures are of the steady state after that.
    private const int WarmUpBytes = 10_000_000;
    private static readonly int[] s_idle = [1, 1_000, 10_000];

    public static Command Create()
    {
        var down = new Option<int>("--down") { Description = "Megabytes to download", DefaultValueFactory = _ => 20 };
        var up = new Option<int>("--up") { Description = "Megabytes to upload", DefaultValueFactory = _ => 10 };
        var idle = new Option<int>("--idle")
        {
            Description = "Most idle connections to hold (1, 1,000 and 10,000 up to this)",
            DefaultValueFactory = _ => s_idle[^1],
        };
        var binary = new Option<string>("--exit-binary")
        {
            Description = "The exit's program",
            DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "fastexit"),
        };
        var command = new Command("figures", "Measures the whole exit: rates, bytes allocated per packet, memory per connection")
        {
            down, up, idle, binary,
        };
        command.SetAction(async (result, _) =>
        {
            try
            {
                await RunAsync(result.GetValue(down), result.GetValue(up), result.GetValue(idle), result.GetValue(binary)!)
                    .ConfigureAwait(false);
                return 0;
            }
            catch (LabException e)
            {
                CommandText.Log(e.Message);
                return 1;
            }
        });
        return command;
    }

    private static async Task RunAsync(int downMegabytes, int upMegabytes, int idle, string binary)
    {
        string directory = Directory.CreateTempSubdirectory("fastexit-figures-").FullName;
        try
        {
            int[] ports = [.. LabDirectory.FreeAddresses(2).Select(a => a.Port)];
            var settings = new LabSettings
            {
                Directory = directory,
                ExitBinary = binary,
                Cores = [0],
                MeanHopDelay = TimeSpan.FromMilliseconds(1),
                Set =
                [
                    $"metrics.listen=\"127.0.0.1:{ports[0]}\"",
                    // The measured destinations listen on ports of the kernel's choice.
                    "policy.open_proxy=true",
                    "policy.allowed_local_prefixes=[\"127.0.0.1/32\"]",
                    "network_requester.maximum_connections_per_client=16384",
                ],
            };
            await using LabNetwork lab = await LabNetwork.StartAsync(settings, CommandText.Log).ConfigureAwait(false);
            using var probe = new ExitProbe(new Uri($"http://127.0.0.1:{ports[0]}/metrics"), lab.Exit.Id);
            using ClientNetwork network = ClientNetwork.Open(NetworkAddress.Of(lab.Directory));
            if (!Recipient.TryParse(lab.ExitAddress.NetworkRequester, out Recipient service))
                throw new LabException("the exit printed no usable address");
            using var engine = new ClientEngine(
                network.Topology, network.Gateway, service,
                new ClientSettings { MeanHopDelay = settings.MeanHopDelay, MaximumConnections = idle + 64 });
            using var source = new ByteServer();

            Table table = new Table().Border(TableBorder.Rounded).AddColumns("what", "figure");
            await Transfer.DownloadAsync(engine, source, WarmUpBytes).ConfigureAwait(false);
            await MeasureAsync(
                table, probe, "down", downMegabytes,
                () => Transfer.DownloadAsync(engine, source, downMegabytes * 1_000_000L)).ConfigureAwait(false);
            await Transfer.UploadAsync(engine, source, WarmUpBytes).ConfigureAwait(false);
            await MeasureAsync(
                table, probe, "up", upMegabytes,
                () => Transfer.UploadAsync(engine, source, upMegabytes * 1_000_000L)).ConfigureAwait(false);
            await HoldIdleAsync(table, probe, engine, source, idle).ConfigureAwait(false);
            AnsiConsole.Write(table);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task MeasureAsync(
        Table table, ExitProbe probe, string direction, int megabytes, Func<Task> transfer)
    {
        CommandText.Log($"{direction}: {megabytes} MB");
        Dictionary<string, double> before = await probe.ReadAsync().ConfigureAwait(false);
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        await transfer().ConfigureAwait(false);
        double seconds = System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
        Dictionary<string, double> after = await probe.ReadAsync().ConfigureAwait(false);
        double Delta(string name) => after.GetValueOrDefault(name) - before.GetValueOrDefault(name);
        double received = Delta("fastexit_mix_link_frames_received_total");
        double sent = Delta("fastexit_mix_link_packets_sent_total");
        table.AddRow($"{direction}, {megabytes} MB", Text($"{megabytes * 8 / seconds:F1} Mbit/s in {seconds:F1} s"));
        table.AddRow($"{direction}: packets in + out at the exit", Text($"{(received + sent) / seconds:N0}/s"));
        table.AddRow(
            $"{direction}: bytes allocated per packet by the core thread",
            Text($"{Delta("fastexit_core_allocated_bytes_total") / Math.Max(1, received + sent):F3}"));
        table.AddRow($"{direction}: retransmissions by the exit", Text($"{Delta("fastexit_delivery_retransmissions_total"):N0}"));
    }

    private static async Task HoldIdleAsync(Table table, ExitProbe probe, ClientEngine engine, ByteServer source, int most)
    {
        var held = new List<ProxyConnection>();
        table.AddRow("memory (RSS), no connection", Text($"{probe.ResidentBytes() / 1e6:F1} MB"));
        foreach (int target in s_idle.Where(n => n <= most))
        {
            CommandText.Log($"idle: {target} connections");
            while (held.Count < target)
            {
                int batch = Math.Min(100, target - held.Count);
                ProxyConnection[] opened = [.. Enumerable.Range(0, batch).Select(_ => engine.Open(source.IdleAddress.ToString()))];
                foreach (ProxyConnection connection in opened)
                {
                    ConnectOutcome outcome = await connection.Opened.ConfigureAwait(false);
                    if (!outcome.Connected)
                        throw new LabException($"connection {held.Count + 1} was not made: {outcome.Reason}");
                    held.Add(connection);
                }
            }

            table.AddRow($"memory (RSS), {target:N0} idle", Text($"{probe.ResidentBytes() / 1e6:F1} MB"));
        }

        held.ForEach(c => c.Close());
    }

    private static string Text(FormattableString value) => value.ToString(CultureInfo.InvariantCulture);
}
