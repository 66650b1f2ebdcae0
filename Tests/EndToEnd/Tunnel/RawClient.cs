using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Tun;
using FastExit.Crypto.EndToEnd;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Policy;
using FastExit.Tests.IpPacketRouter;
using FastExit.Topology;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// A client without manners, this assembly run as a program inside the gateway's namespace: it connects twice, in different versions, says
/// which pair it got, sends packets in somebody else's name, or all that <see cref="HostilePacket"/> knows, and then one in its own. The
/// client of a person lets none of the former out.
/// </summary>
internal sealed class RawClient : IMixService, IDisposable
{
    public const string Done = "sent all";
    public const int Foreign = 5;
    public const int OwnPayload = 77;

    /// <summary>Times that a hostile one sends everything.</summary>
    public const int Rounds = 20;

    /// <summary>Longer than the tunnel carries in one, and free to be cut: of the hostile one.</summary>
    public const int LongPayload = 3000;

    private const string FolderVariable = "FASTEXIT_TEST_SPOOF_LAB";
    private const string VictimVariable = "FASTEXIT_TEST_SPOOF_VICTIM";
    private const int FirstSurbs = 20;
    private const ulong StreamId = 4711;
    private readonly MixClient _mix;
    private readonly NumericAddress? _victim;
    private readonly NumericAddress _target = NumericAddress.From(TunnelWorld.WebIPv4);
    private ulong _asked;
    private ulong _answered;
    private uint _sequence;

    private RawClient(NetworkTopology topology, EntryGateway gateway, in Recipient router, NumericAddress? victim)
    {
        _victim = victim;
        _mix = new MixClient(topology, gateway, router, new MixSettings { MeanHopDelay = TimeSpan.FromMilliseconds(2) }, this);
    }

    bool IMixService.WantsSurbs => true;

    /// <param name="lab">Whose exit.</param>
    /// <param name="victim">Whose name it uses; null: it is hostile.</param>
    public static SpaceProcess Start(TunnelLab lab, IPAddress? victim) => SpaceProcess.Start(
        lab.World.Gateway,
        "env",
        $"{FolderVariable}={lab.Folder}",
        $"{VictimVariable}={victim}",
        Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet",
        "exec",
        typeof(RawClient).Assembly.Location);

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "A test assembly has no Main of its own to say this in")]
    internal static void RunWhenAsked()
    {
        // No thread may enter a module before its initializer has ended, and this Main does nothing by itself: it runs after Main.
        if (Environment.GetEnvironmentVariable(FolderVariable) is { } folder)
            AppDomain.CurrentDomain.ProcessExit += (_, _) => RunIn(folder);
    }

    private static void RunIn(string folder)
    {
        var directory = new LabDirectory(folder);
        NetworkTopology topology = directory.Topology();
        using EntryGateway gateway = directory.OpenEntry(topology);
        if (!Recipient.TryParse(directory.Exit().IpPacketRouter!, out Recipient router))
            throw new InvalidOperationException("not an address");
        NumericAddress? victim = Environment.GetEnvironmentVariable(VictimVariable) is { Length: > 0 } text ? Ip.Address(text) : null;
        using var client = new RawClient(topology, gateway, router, victim);
        client._mix.Start();
        Thread.Sleep(Timeout.Infinite);
    }

    public void Dispose() => _mix.Dispose();

    bool IMixService.TakeCommands(long now)
    {
        if (_asked > _answered || _asked == 2)
            return false;
        _asked++;
        Span<byte> request = stackalloc byte[128];
        IprEnvelope envelope = _asked == 1 ? IprEnvelope.Raw : new IprEnvelope(IprVersion.Newest, StreamId, 0);
        IprRequestWriter.TryWriteConnect(request, envelope, _asked, 20, IprTimestamp.FromUtc(DateTime.UtcNow), out int bytes);
        _mix.SendControl(new OutgoingMessage(null, isData: false), FirstSurbs, request[..bytes], default, now);
        return true;
    }

    bool IMixService.Receive(ReadOnlySpan<byte> data, long now)
    {
        if (IprResponse.TryRead(data, out IprResponse response) != IprReadStatus.Ok)
            return false;
        if (response.Kind != IprResponseKind.Connect || !response.Succeeded || response.RequestId != _asked || _answered == _asked)
            return true;
        _answered = _asked;
        AddressPair pair = response.Pair;
        Console.WriteLine($"pair {Addresses.From(pair.IPv4)} {Addresses.From(pair.IPv6)}");
        if (_answered < 2)
            return true;
        var from4 = NumericAddress.From(Addresses.From(pair.IPv4));
        if (_victim is { } victim)
        {
            for (int i = 0; i < Foreign; i++)
                SendPacket(Ip.Udp(victim, _target, TunnelWorld.EchoPort), now);
        }
        else
        {
            SendHostile(from4, NumericAddress.From(Addresses.From(pair.IPv6)), now);
        }

        SendPacket(Ip.Udp(from4, _target, TunnelWorld.EchoPort, OwnPayload), now);
        Console.WriteLine(Done);
        return true;
    }

    void IMixService.HeardReply(long now)
    {
        // Nothing depends on when.
    }

    void IMixService.DeliveriesTaken()
    {
        // Nothing is kept back.
    }

    void IMixService.Tick(long now)
    {
        // Nothing is due.
    }

    void IMixService.Stopped()
    {
        // It is killed.
    }

    private void SendHostile(NumericAddress from4, NumericAddress from6, long now)
    {
        NumericAddress to4 = NumericAddress.From(TunnelWorld.NamesIPv4), to6 = NumericAddress.From(TunnelWorld.NamesIPv6);
        byte[] open = Ip.Udp(from4, _target, TunnelWorld.EchoPort, LongPayload);
        open[6] = 0;
        SendPacket(Ip.Summed(open), now);
        for (ushort round = 0; round < Rounds; round++)
        {
            foreach (HostilePacket packet in HostilePacket.All(from4, from6, to4, to6))
                SendPacket(packet.Bytes, now);

            // What only the gateway's kernel can judge: overlaps behind the first fragment, datagrams without an end, checksums inside.
            foreach (byte[] whole in new[] { Ip.Udp(from4, to4, 53, 64), Ip.Udp(from6, to6, 53, 64) })
            {
                List<byte[]> pieces = Ip.Cut(whole, 24, (ushort)(round + 1000)), others = Ip.Cut(whole, 32, (ushort)(round + 1000));
                foreach (byte[] piece in new[] { pieces[0], others[1], pieces[1] })
                    SendPacket(piece, now);
            }

            foreach (byte[] packet in new[] { Ip.Ping(from4, to4), Ip.Ping(from6, to6) })
            {
                packet[^1] ^= 1;
                SendPacket(packet, now);
            }
        }
    }

    private void SendPacket(byte[] packet, long now)
    {
        uint sequence = ++_sequence;
        var bundle = new UplinkBundle();
        if (!bundle.TryAdd(packet, BundleLimits.Request(IprVersion.Newest), now))
            throw new InvalidOperationException("a packet too long");
        Span<byte> header = stackalloc byte[128];
        IprRequestWriter.TryWriteDataHeader(header, new IprEnvelope(IprVersion.Newest, StreamId, sequence), bundle.Bytes.Length, out int bytes);
        _mix.SendData(new OutgoingMessage(null, isData: true), surbs: 0, header[..bytes], bundle.Bytes, now);
    }
}
