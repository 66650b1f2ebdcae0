using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using FastExit.Cores;
using FastExit.Tests.Native;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// Protocols that have no ports (GRE) or that the kernel does not know (SCTP), sent by hand; and what applications see of a refusal.
/// </summary>
[Collection(OneCoreTunnelRun.Name)]
public sealed class PortlessTests(OneCoreTunnel lab)
{
    private const int Gre = 47;
    private const int Sctp = 132;
    private const int IcmpV6 = 58;
    private const int PatienceMilliseconds = 10_000;

    [SkippableTheory]
    [InlineData(Gre, false)]
    [InlineData(Gre, true)]
    [InlineData(Sctp, false)]
    [InlineData(Sctp, true)]
    public void Packets_of_any_protocol_pass_behind_the_gateways_address(int protocol, bool ipv6)
    {
        TunnelLab.Require();
        using Socket receiver = Raw(lab.World.Internet, protocol, ipv6);
        receiver.Bind(new IPEndPoint(ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4, 0));
        using Socket sender = Raw(lab.Clients[0].Space, protocol, ipv6);
        byte[] payload = Payload(protocol);
        sender.SendTo(payload, new IPEndPoint(ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4, 0));
        byte[] buffer = new byte[2048];
        EndPoint from = new IPEndPoint(ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        int bytes = receiver.ReceiveFrom(buffer, ref from);

        // With IPv4 the header comes along.
        int header = ipv6 ? 0 : 20;
        Assert.Equal(payload, buffer[header..bytes]);
        Assert.Equal(ipv6 ? TunnelWorld.GatewayIPv6 : TunnelWorld.GatewayIPv4, ((IPEndPoint)from).Address);
    }

    [SkippableTheory]
    [InlineData(Sctp, false)]
    [InlineData(Sctp, true)]
    [InlineData(IcmpV6, true)]
    public void What_the_gateway_cannot_translate_stays_inside(int protocol, bool ipv6)
    {
        TunnelLab.Require();
        IPAddress target = ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4;
        using Socket receiver = Raw(lab.World.Internet, protocol, ipv6);
        receiver.Bind(new IPEndPoint(target, 0));
        using Socket sender = Raw(lab.Clients[0].Space, protocol, ipv6);

        // SCTP data of no association; a router solicitation, which the kernel never tracks.
        byte[] payload = protocol == Sctp
            ? [0x30, 0x39, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]
            : [133, 0, 0, 0, 0, 0, 0, 0];
        sender.SendTo(payload, new IPEndPoint(target, 0));
        receiver.ReceiveTimeout = 500;
        byte[] buffer = new byte[2048];
        EndPoint from = new IPEndPoint(ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        for (long end = Environment.TickCount64 + 2000; Environment.TickCount64 < end;)
        {
            try
            {
                receiver.ReceiveFrom(buffer, ref from);
                Assert.NotEqual(ipv6 ? lab.Clients[0].IPv6 : lab.Clients[0].IPv4, ((IPEndPoint)from).Address);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                return;
            }
        }
    }

    [SkippableTheory]
    [InlineData(Gre, false)]
    [InlineData(Gre, true)]
    [InlineData(Sctp, false)]
    [InlineData(Sctp, true)]
    public async Task Refused_packets_are_answered_with_icmp(int protocol, bool ipv6)
    {
        TunnelLab.Require();
        double before = await lab.CountAsync(Counter.IpPacketRouter_DeniedByPolicy);
        using Socket errors = Raw(lab.Clients[0].Space, ipv6 ? 58 : 1, ipv6);
        using Socket sender = Raw(lab.Clients[0].Space, protocol, ipv6);
        IPAddress target = ipv6 ? TunnelWorld.DeniedIPv6 : TunnelWorld.DeniedIPv4;
        sender.SendTo(Payload(protocol), new IPEndPoint(target, 0));

        // Administratively prohibited, about a packet of that protocol to that address.
        byte[] icmp = ReceiveAbout(errors, ipv6, target);
        Assert.Equal(ipv6 ? [1, 1] : new byte[] { 3, 13 }, icmp[..2]);
        Assert.Equal(protocol, icmp[8 + (ipv6 ? 6 : 9)]);
        Assert.True(await lab.CountAsync(Counter.IpPacketRouter_DeniedByPolicy) > before);
    }

    [SkippableTheory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public async Task A_refused_connection_fails_at_once(bool ipv6, bool byAddress)
    {
        TunnelLab.Require();
        IPAddress target = ipv6
            ? byAddress ? TunnelWorld.DeniedIPv6 : TunnelWorld.WebIPv6
            : byAddress ? TunnelWorld.DeniedIPv4 : TunnelWorld.WebIPv4;
        using Socket socket = lab.Clients[0].Space.Run(
            () => new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        using var stop = new CancellationTokenSource(PatienceMilliseconds);
        SocketException refusal = await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(
            new IPEndPoint(target, byAddress ? TunnelWorld.WebPort : TunnelWorld.DeniedPort), stop.Token));
        Assert.Equal(ipv6 ? SocketError.AccessDenied : SocketError.HostUnreachable, refusal.SocketErrorCode);
        await lab.Clients[0].LineAsync("the exit's policy refuses", TimeSpan.FromSeconds(10), skip: 0);
    }

    [SkippableFact]
    public async Task The_hosts_around_the_gateway_are_out_of_reach()
    {
        TunnelLab.Require();
        foreach (string inside in new[] { "192.168.1.1", "169.254.169.254", "100.64.0.1" })
            Assert.Contains("Packet filtered", await Traffic.PingInVainAsync(lab.Clients[0].Space, IPAddress.Parse(inside)), StringComparison.Ordinal);
        Assert.True(await lab.CountAsync(Counter.IpPacketRouter_DeniedByGuard) >= 3);
    }

    // The platform's own constructor knows a few protocols only.
    private static Socket Raw(NetworkNamespace space, int protocol, bool ipv6) => space.Run(() =>
    {
        int descriptor = LibC.socket(ipv6 ? LibC.AF_INET6 : LibC.AF_INET, LibC.SOCK_RAW | LibC.SOCK_CLOEXEC, protocol);
        Assert.True(descriptor >= 0, $"no raw socket: {LibC.errno}");
        return new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)) { ReceiveTimeout = PatienceMilliseconds };
    });

    private static byte[] Payload(int protocol) => protocol == Gre
        ? [0, 0, 0x65, 0x58, .. "a frame in a tunnel in a tunnel"u8]
        : AssociationRequest();

    /// <summary>SCTP: an INIT with its checksum (RFC 9260 §3.3.2), without which the gateway's kernel does not follow it.</summary>
    private static byte[] AssociationRequest()
    {
        byte[] packet =
        [
            0x30, 0x39, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0,
            1, 0, 0, 20, 1, 2, 3, 4, 0, 1, 0, 0, 0, 1, 0, 1, 5, 6, 7, 8,
        ];
        uint sum = packet.Aggregate(uint.MaxValue, BitOperations.Crc32C);
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(8), ~sum);
        return packet;
    }

    private static byte[] ReceiveAbout(Socket errors, bool ipv6, IPAddress target)
    {
        byte[] buffer = new byte[2048];
        byte[] wanted = target.GetAddressBytes();
        for (long end = Environment.TickCount64 + PatienceMilliseconds; Environment.TickCount64 < end;)
        {
            int bytes = errors.Receive(buffer);
            byte[] icmp = buffer[(ipv6 ? 0 : 20)..bytes];
            int at = 8 + (ipv6 ? 24 : 16);
            if (icmp.Length >= at + wanted.Length && icmp.AsSpan(at, wanted.Length).SequenceEqual(wanted))
                return icmp;
        }

        throw new TimeoutException("no ICMP error came");
    }
}
