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
/// which pair it got, sends packets in somebody else's name and then one in its own. The client of a person lets none of the former out.
/// </summary>
internal sealed class SpoofingClient : IMixService, IDisposable
{
    public const string Done = "sent all";
    public const int Foreign = 5;
    public const int OwnPayload = 77;

    private const string FolderVariable = "FASTEXIT_TEST_SPOOF_LAB";
    private const string VictimVariable = "FASTEXIT_TEST_SPOOF_VICTIM";
    private const int FirstSurbs = 20;
    private const ulong StreamId = 4711;
    private readonly MixClient _mix;
    private readonly NumericAddress _victim;
    private readonly NumericAddress _target = NumericAddress.From(TunnelWorld.WebIPv4);
    private ulong _asked;
    private ulong _answered;

    private SpoofingClient(NetworkTopology topology, EntryGateway gateway, in Recipient router, NumericAddress victim)
    {
        _victim = victim;
        _mix = new MixClient(topology, gateway, router, new MixSettings { MeanHopDelay = TimeSpan.FromMilliseconds(2) }, this);
    }

    bool IMixService.WantsSurbs => true;

    public static SpaceProcess Start(TunnelLab lab, IPAddress victim) => SpaceProcess.Start(
        lab.World.Gateway,
        "env",
        $"{FolderVariable}={lab.Folder}",
        $"{VictimVariable}={victim}",
        Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet",
        "exec",
        typeof(SpoofingClient).Assembly.Location);

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
        NumericAddress victim = Ip.Address(Environment.GetEnvironmentVariable(VictimVariable)!);
        using var client = new SpoofingClient(topology, gateway, router, victim);
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
        for (int i = 0; i < Foreign; i++)
            SendPacket(Ip.Udp(_victim, _target, TunnelWorld.EchoPort), (uint)i + 1, now);
        SendPacket(Ip.Udp(NumericAddress.From(Addresses.From(pair.IPv4)), _target, TunnelWorld.EchoPort, OwnPayload), Foreign + 1, now);
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

    private void SendPacket(byte[] packet, uint sequence, long now)
    {
        var bundle = new UplinkBundle();
        if (!bundle.TryAdd(packet, BundleLimits.Request(IprVersion.Newest), now))
            throw new InvalidOperationException("a packet too long");
        Span<byte> header = stackalloc byte[128];
        IprRequestWriter.TryWriteDataHeader(header, new IprEnvelope(IprVersion.Newest, StreamId, sequence), bundle.Bytes.Length, out int bytes);
        _mix.SendData(new OutgoingMessage(null, isData: true), surbs: 0, header[..bytes], bundle.Bytes, now);
    }
}
