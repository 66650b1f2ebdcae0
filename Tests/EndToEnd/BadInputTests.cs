using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>Ages are scaled down, so that what bad input leaves behind can be seen to go.</summary>
public class ScaledAgesLab(params int[] cores) : ExitLab(
    cores,
    guardOpen: true,
    "delivery.set_age=\"3s\"",
    "delivery.parked_age=\"2s\"",
    "delivery.maximum_retransmissions=4",
    "network_requester.early_age=\"2s\"",
    "network_requester.gap_timeout=\"3s\"");

public sealed class OneCoreScaledAgesLab() : ScaledAgesLab(0);

public sealed class TwoCoreScaledAgesLab() : ScaledAgesLab(0, 1);

/// <summary>
/// Bad input over the real mix link: counted by reason, never more than its own connection lost, nothing left behind, and an ordinary
/// client does not notice.
/// </summary>
public abstract class BadInputScenarios(ScaledAgesLab lab) : IDisposable
{
    private const int FileBytes = 1_000_000;
    private const int NetworkRequesterLegacyBound = 3;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromMinutes(4));
    private readonly ExitPackets _packets = new(lab.Network);
    private readonly byte[] _tag = RandomNumberGenerator.GetBytes(16);

    public static TheoryData<string, byte[], Counter> BadFrames => new()
    {
        { "version 9", [9, 1, 0, 1], Counter.MixLink_BadVersion },
        { "version 0", [0], Counter.MixLink_BadVersion },
        { "size 0", [8, 0, 0, 1], Counter.MixLink_BadSize },
        { "size 77", [7, 77, 0], Counter.MixLink_BadSize },
        { "type 1", [8, 1, 1, 1], Counter.MixLink_BadType },
        { "type 255", [7, 1, 255], Counter.MixLink_BadType },
        { "rotation 3", [8, 1, 0, 3], Counter.MixLink_BadRotation },
        { "longer than its size", [.. ExitPackets.Frame(new byte[ExitPackets.PacketBytes]), .. new byte[87]], Counter.MixLink_BadVersion },
    };

    public void Dispose()
    {
        _stop.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(BadFrames))]
    public async Task A_bad_frame_closes_its_connection_and_no_other(string what, byte[] bytes, Counter counter)
    {
        Assert.NotEmpty(what);
        using Socket good = await ConnectAsync();
        await ExpectAsync(Counter.Sphinx_BadMac, 1, () => SendAsync(good, [[.. Enumerable.Repeat((byte)9, ExitPackets.PacketBytes)]]));
        using Socket bad = await ConnectAsync();
        await ExpectAsync(counter, 1, () => SocksDialer.SendAllAsync(bad, bytes, _stop.Token));
        await ClosedAsync(bad);
        await ExpectAsync(Counter.Sphinx_BadMac, 1, () => SendAsync(good, [[.. Enumerable.Repeat((byte)9, ExitPackets.PacketBytes)]]));
    }

    [Fact]
    public async Task A_truncated_frame_is_counted_and_its_slot_comes_back()
    {
        using (Socket cut = await ConnectAsync())
        {
            await ExpectAsync(Counter.MixLink_TruncatedFrame, 1, async () =>
            {
                await SocksDialer.SendAllAsync(cut, ExitPackets.Frame(new byte[ExitPackets.PacketBytes]).AsMemory(0, 1000), _stop.Token);
                cut.Shutdown(SocketShutdown.Send);
            });
            await ClosedAsync(cut);
        }

        await BaselineAsync();
    }

    [Fact]
    public Task Bad_packets_are_counted_by_reason() => UndisturbedAsync(async link =>
    {
        byte[] fragment = Noise();
        byte[] header = _packets.Packet(fragment);
        header[70] ^= 1;
        await ExpectAsync(Counter.Sphinx_BadMac, 1, () => SendAsync(link, [header]));
        byte[] payload = _packets.Packet(fragment);
        payload[^1] ^= 1;
        await ExpectAsync(Counter.Sphinx_BadPayload, 1, () => SendAsync(link, [payload]));
        byte[][] random = [.. Enumerable.Range(0, 50).Select(_ => RandomNumberGenerator.GetBytes(ExitPackets.PacketBytes))];
        await ExpectAsync(Counter.Sphinx_BadMac, random.Length, () => SendAsync(link, random));
        byte[] recorded = _packets.Packet(fragment);
        await ExpectAsync(Counter.Sphinx_Replays, 3, () => SendAsync(link, [recorded, recorded, recorded, recorded]));
        await ExpectAsync(
            Counter.Sphinx_UnknownDestination, 1,
            () => SendAsync(link, [_packets.Packet(fragment, RandomNumberGenerator.GetBytes(32))]));
        await ExpectAsync(Counter.Sphinx_MissingAck, 1, () => SendAsync(link, [_packets.Packet(fragment, withoutAck: true)]));
        await ExpectAsync(Counter.Sphinx_ForwardHopsRefused, 1, () => SendAsync(link, [_packets.Packet(fragment, forward: true)]));
        await ExpectAsync(
            Counter.Sphinx_ExpiredKey, 1,
            () => SocksDialer.SendAllAsync(link, ExitPackets.Frame(_packets.Packet(fragment), KeyRotation.Even), _stop.Token));
    });

    [Fact]
    public Task Bad_fragments_are_counted_by_reason_and_forgotten() => UndisturbedAsync(async link =>
    {
        await ExpectAsync(
            Counter.Delivery_BadFragment, 20,
            () => SendAsync(link, [.. Enumerable.Range(0, 20).Select(_ => _packets.Packet(Noise()))]));
        uint id = SetId.Next();
        await ExpectAsync(Counter.Delivery_ContradictoryFragment, 1, () => SendAsync(
            link, [_packets.Fragment(new FragmentHeader(id, 3, 1)), _packets.Fragment(new FragmentHeader(id, 4, 2))]));
        await ExpectAsync(
            Counter.Delivery_DuplicateFragment, 1, () => SendAsync(link, [_packets.Fragment(new FragmentHeader(id, 3, 1))]));
        await ExpectAsync(
            Counter.Delivery_BadPadding, 1, () => SendAsync(link, [_packets.Fragment(new FragmentHeader(SetId.Next(), 1, 1))]));
        await ExpectAsync(Counter.Delivery_BadPadding, 1, () => SendAsync(link, [_packets.Fragment(new FragmentHeader(SetId.Next(), 1, 1), [1])]));
        uint[] ring = new uint[3];
        SetId.Fill(ring);
        await ExpectAsync(
            Counter.Delivery_CyclicLink, 1, () => SendAsync(link, [.. _packets.LinkedSet(ring[0], ring[1], ring[1])]));
        SetId.Fill(ring);
        await ExpectAsync(Counter.Delivery_CyclicLink, 1, async () =>
        {
            for (int i = 0; i < ring.Length; i++)
                await SendAsync(link, [.. _packets.LinkedSet(ring[i], ring[(i + 2) % 3], ring[(i + 1) % 3])]);
        });
        await ExpectAsync(
            Counter.Delivery_SetsExpired, 300,
            () => SendAsync(link, [.. Enumerable.Range(0, 300).Select(_ => _packets.Fragment(new FragmentHeader(SetId.Next(), 2, 1)))]));
    });

    [Fact]
    public Task Bad_messages_are_counted_by_reason() => UndisturbedAsync(async link =>
    {
        await ExpectAsync(Counter.Delivery_BadMessage, 1, () => SendAsync(link, _packets.Message([9, 9, 9])));
        byte[] lying = _packets.Repliable(_tag, surbs: 1, []);
        lying[EndToEndMessage.SurbBlockOffset] = 0xFF;
        await ExpectAsync(Counter.Delivery_BadMessage, 1, () => SendAsync(link, _packets.Message(lying)));
        byte[] hops = _packets.Repliable(_tag, surbs: 1, []);
        hops[EndToEndMessage.SurbBlockOffset + 2] = 200;
        await ExpectAsync(Counter.Delivery_BadMessage, 1, () => SendAsync(link, _packets.Message(hops)));
        byte[] legacy = _packets.Repliable(_tag, surbs: 0, []);
        legacy[EndToEndMessage.SurbBlockOffset - 1] = 0;
        legacy.AsSpan(EndToEndMessage.SurbBlockOffset, 4).Fill(0xFF);
        await ExpectAsync(Counter.Delivery_BadMessage, 1, () => SendAsync(link, _packets.Message(legacy)));
        await ExpectAsync(Counter.Delivery_UnexpectedMessage, 1, () => SendAsync(link, _packets.Message([2, 0, 5, 5])));
    });

    [Fact]
    public Task Bad_requests_are_counted_by_reason_and_forgotten() => UndisturbedAsync(async link =>
    {
        await ExpectAsync(
            Counter.NetworkRequester_BadRequest, 1, () => SendAsync(link, Tagged([NetworkRequesterLegacyBound, 7, 7])));
        byte[] cut = ExitPackets.Connect(1, "web.test:80"u8)[..^4];
        await ExpectAsync(Counter.NetworkRequester_BadRequest, 1, () => SendAsync(link, Tagged(cut)));
        await ExpectAsync(
            Counter.NetworkRequester_NoReturnPath, 1,
            () => SendAsync(link, _packets.Message(ExitPackets.Plain(ExitPackets.Connect(2, "127.0.0.1:80"u8)))));
        byte[] long60 = Encoding.ASCII.GetBytes(new string('a', 60_000) + ":80");
        await ExpectAsync(
            Counter.NetworkRequester_MalformedAddress, 1, () => SendAsync(link, Tagged(ExitPackets.Connect(3, long60))));
        string[] malformed = ["", ":80", "web.test", "web.test:0", "web.test:65536", "a b.test:80", "[::1:80", "2130706433:80", "127.1:80"];
        ulong id = 100;
        foreach (string address in malformed)
        {
            await ExpectAsync(
                Counter.NetworkRequester_MalformedAddress, 1,
                () => SendAsync(link, Tagged(ExitPackets.Connect(id++, Encoding.ASCII.GetBytes(address)))));
        }
    });

    [Fact]
    public Task Data_without_a_connect_is_kept_for_a_while_only() => UndisturbedAsync(async link =>
    {
        const int Ids = 40;
        MetricsSample before = await lab.Metrics.ReadAsync();
        await ExpectAsync(Counter.NetworkRequester_EarlyDataStored, Ids, async () =>
        {
            for (ulong id = 1000; id < 1000 + Ids; id++)
                await SendAsync(link, Tagged(ExitPackets.Send(id, 0, closed: false, new byte[500])));
        });
        await lab.Metrics.UntilAsync(
            s_patience,
            sample => sample[Counter.NetworkRequester_EarlyDataExpired] >= before[Counter.NetworkRequester_EarlyDataExpired] + Ids
                && sample[Gauge.NetworkRequester_EarlyConnections] == 0,
            "data without a connect is kept");
        await ExpectAsync(Counter.NetworkRequester_EarlyDataDropped, 1, async () =>
        {
            for (ulong sequence = 0; sequence < 40; sequence++)
                await SendAsync(link, Tagged(ExitPackets.Send(2000, sequence, closed: false, new byte[500])));
        });
    });

    [Fact]
    public Task A_second_connect_opens_no_second_socket() => UndisturbedAsync(async link =>
    {
        using var silent = new TcpDestination(TcpDestination.SilentAsync);
        byte[] connect = ExitPackets.Connect(5000, Encoding.ASCII.GetBytes($"127.0.0.1:{silent.Port}"));
        await ExpectAsync(Counter.NetworkRequester_Established, 1, () => SendAsync(link, Tagged(connect)));
        await ExpectAsync(Counter.NetworkRequester_DuplicateConnects, 2, async () =>
        {
            await SendAsync(link, Tagged(connect));
            await SendAsync(link, Tagged(connect));
        });
        await ExpectAsync(Counter.NetworkRequester_Closed, 1, () => SendAsync(link, Tagged(ExitPackets.Send(5000, 0, closed: true, []))));
        Assert.Equal(1, silent.Accepted);
        await ExpectAsync(Counter.NetworkRequester_DuplicateConnects, 1, () => SendAsync(link, Tagged(connect)));
        Assert.Equal(1, silent.Accepted);
    });

    [Fact]
    public Task Another_client_can_not_write_into_a_connection() => UndisturbedAsync(async link =>
    {
        var heard = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listening = new TcpDestination(async (socket, end) => heard.SetResult(await SocksDialer.ReceiveToEndAsync(socket, end)));
        await ExpectAsync(
            Counter.NetworkRequester_Established, 1,
            () => SendAsync(link, Tagged(ExitPackets.Connect(6000, Encoding.ASCII.GetBytes($"127.0.0.1:{listening.Port}")))));
        byte[] foreign = _packets.Repliable(RandomNumberGenerator.GetBytes(16), 2, ExitPackets.Send(6000, 0, closed: false, "forged"u8.ToArray()));
        await ExpectAsync(Counter.NetworkRequester_EarlyDataStored, 1, () => SendAsync(link, _packets.Message(foreign)));
        await SendAsync(link, _packets.Message(ExitPackets.Plain(ExitPackets.Send(6000, 0, closed: false, "forged"u8.ToArray()))));
        await SendAsync(link, Tagged(ExitPackets.Send(6000, 0, closed: true, "own"u8.ToArray())));
        Assert.Equal("own", Encoding.ASCII.GetString(await heard.Task.WaitAsync(_stop.Token)));
    });

    private static byte[] Noise()
    {
        byte[] noise = RandomNumberGenerator.GetBytes(ExitPackets.FragmentBytes);
        noise[0] &= 0x3F;
        return noise;
    }

    private IEnumerable<byte[]> Tagged(byte[] request) => _packets.Message(_packets.Repliable(_tag, 2, request));

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(lab.Network.ExitAddress.MixAddress, _stop.Token);
        return socket;
    }

    private async Task SendAsync(Socket link, IEnumerable<byte[]> packets)
    {
        foreach (byte[] packet in packets)
            await SocksDialer.SendAllAsync(link, ExitPackets.Frame(packet), _stop.Token);
    }

    private async Task ClosedAsync(Socket socket)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        patience.CancelAfter(s_patience);
        try
        {
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1], patience.Token));
        }
        catch (SocketException e)
        {
            // Closed with bytes unread.
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
    }

    private async Task ExpectAsync(Counter counter, int more, Func<Task> act)
    {
        double before = (await lab.Metrics.ReadAsync())[counter];
        await act();
        await lab.Metrics.UntilAsync(s_patience, sample => sample[counter] >= before + more, $"{counter} did not rise by {more}");
    }

    /// <summary>Runs beside an ordinary client's download, which must arrive whole; afterwards the exit holds what it held before.</summary>
    private async Task UndisturbedAsync(Func<Socket, Task> act)
    {
        await BaselineAsync();
        Task<CurlResult> download = CurlCommand.RunAsync(
            "socks5h", lab.Client.Address, lab.Web($"/bytes/{FileBytes}"), TimeSpan.FromMinutes(3));
        using (Socket link = await ConnectAsync())
            await act(link);
        CurlResult file = await download;
        Assert.Equal((0, LabWeb.Digest(FileBytes)), (file.ExitCode, file.Digest));
        await BaselineAsync();
        string log = string.Join('\n', lab.ExitLog);
        Assert.DoesNotContain(Convert.ToHexString(_tag), log, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("web.test", log, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Nothing waits, and memory is in use as it was right after the start.</summary>
    private async Task BaselineAsync()
    {
        await lab.QuietAsync(TimeSpan.FromSeconds(90));
        await lab.Metrics.UntilAsync(
            s_patience,
            sample => sample[Gauge.Memory_RegularSlotsInUse] <= lab.RegularSlotsAtRest && sample[Gauge.Memory_ExtendedSlotsInUse] == 0
                && sample[Gauge.Memory_AssemblyBytesInUse] == 0 && sample[Gauge.Delivery_Parked] == 0,
            "memory did not come back");
    }
}

[Collection(OwnLabRun.Name)]
public sealed class OneCoreBadInputTests(OneCoreScaledAgesLab lab) : BadInputScenarios(lab), IClassFixture<OneCoreScaledAgesLab>;

[Collection(OwnLabRun.Name)]
public sealed class TwoCoreBadInputTests(TwoCoreScaledAgesLab lab) : BadInputScenarios(lab), IClassFixture<TwoCoreScaledAgesLab>;
