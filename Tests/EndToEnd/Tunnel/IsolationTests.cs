using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>Clients among each other, and towards the internet: nobody reaches, hears or plays somebody else.</summary>
[Collection(OneCoreTunnelRun.Name)]
public sealed class IsolationTests(OneCoreTunnel lab)
{
    [SkippableFact]
    public async Task Clients_do_not_reach_each_other()
    {
        TunnelLab.Require();
        TunnelClient one = lab.Clients[0], other = lab.Clients[1];
        double before = await lab.CountAsync(Counter.IpPacketRouter_DeniedOtherClient);
        Assert.Contains("Packet filtered", await Traffic.PingInVainAsync(one.Space, other.IPv4), StringComparison.Ordinal);
        Assert.Contains("prohibited", await Traffic.PingInVainAsync(other.Space, one.IPv6), StringComparison.Ordinal);
        Assert.Equal(before + 2, await lab.CountAsync(Counter.IpPacketRouter_DeniedOtherClient));
    }

    [SkippableFact]
    public async Task Nobody_reaches_clients_unasked()
    {
        TunnelLab.Require();

        // The internet has a route to them, and the gateway forwards.
        double before = await lab.CountAsync(Counter.IpPacketRouter_DownlinkPackets);
        await Traffic.PingInVainAsync(lab.World.Internet, lab.Clients[0].IPv4, seconds: 1);
        await Traffic.PingInVainAsync(lab.World.Internet, lab.Clients[0].IPv6, seconds: 1);
        Assert.Equal(before, await lab.CountAsync(Counter.IpPacketRouter_DownlinkPackets));
    }

    [SkippableFact]
    public async Task Packets_in_another_clients_name_are_dropped_and_a_client_that_connects_again_keeps_its_pair()
    {
        TunnelLab.Require();
        TunnelClient victim = lab.Clients[1];
        using Socket ears = lab.World.Internet.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 2000 };
            socket.Bind(new IPEndPoint(TunnelWorld.WebIPv4, TunnelWorld.EchoPort));
            return socket;
        });
        double before = await lab.CountAsync(Counter.IpPacketRouter_SpoofedSources);
        using (SpaceProcess child = RawClient.Start(lab, victim.IPv4))
        {
            await child.LineAsync(RawClient.Done, TimeSpan.FromSeconds(60));
            string[] pairs = [.. child.Lines.Where(line => line.StartsWith("pair ", StringComparison.Ordinal))];
            Assert.Equal(2, pairs.Length);
            Assert.Equal(pairs[0], pairs[1]);

            // Sent means queued: it lives until everything has arrived.
            await lab.UntilAsync(
                sample => sample[Counter.IpPacketRouter_SpoofedSources] == before + RawClient.Foreign,
                "foreign packets are not counted");
            await Task.Delay(1000);
        }

        // Its own packet went last, and nothing came before it.
        byte[] buffer = new byte[2048];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int bytes = ears.ReceiveFrom(buffer, ref from);
        Assert.Equal(RawClient.OwnPayload, bytes);
        Assert.Equal(TunnelWorld.GatewayIPv4, ((IPEndPoint)from).Address);
        ears.ReceiveTimeout = 500;
        Assert.Throws<SocketException>(() => ears.Receive(buffer));
    }

    [SkippableFact]
    public async Task The_internet_sees_the_gateway_alone()
    {
        TunnelLab.Require();
        string file = Path.Combine(lab.Folder, "outside.pcap");
        using (SpaceProcess capture = SpaceProcess.Start(
            lab.World.Internet, "tcpdump", "-i", TunnelWorld.OutsideDevice, "-U", "--immediate-mode", "-n", "-Z", "root", "-w", file))
        {
            await capture.LineAsync("listening on", TimeSpan.FromSeconds(20));
            foreach (TunnelClient client in lab.Clients)
            {
                await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4, payloadBytes: 3000);
                await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv6, payloadBytes: 3000);
                await Traffic.FetchAsync(client.Space, "web.test", 20_000, "-4");
                await Traffic.FetchAsync(client.Space, "web.test", 20_000, "-6");
                await Traffic.DigAsync(client.Space, "+short", $"@{TunnelWorld.NamesIPv4}", "web.test");
                await Traffic.PingInVainAsync(client.Space, TunnelWorld.DeniedIPv4, seconds: 1);
            }

            capture.Signal(Tmds.Linux.LibC.SIGINT);
            Assert.Equal(0, await capture.EndAsync(TimeSpan.FromSeconds(10)));
        }

        List<CapturedPacket> packets = CapturedPacket.Read(await File.ReadAllBytesAsync(file));
        HashSet<IPAddress> gateway = [TunnelWorld.GatewayIPv4, TunnelWorld.GatewayIPv6];
        HashSet<IPAddress> internet = [TunnelWorld.WebIPv4, TunnelWorld.WebIPv6, TunnelWorld.NamesIPv4, TunnelWorld.NamesIPv6];
        foreach (CapturedPacket packet in packets)
        {
            Assert.True(
                (gateway.Contains(packet.Source) && internet.Contains(packet.Destination))
                || (internet.Contains(packet.Source) && gateway.Contains(packet.Destination)),
                $"{packet.Source} > {packet.Destination}");

            // Not in what is inside either, such as packets quoted in errors.
            foreach (TunnelClient client in lab.Clients)
            {
                Assert.True(packet.Bytes.AsSpan().IndexOf(client.IPv4.GetAddressBytes()) < 0, "a client's IPv4 address");
                Assert.True(packet.Bytes.AsSpan().IndexOf(client.IPv6.GetAddressBytes()) < 0, "a client's IPv6 address");
            }
        }

        // Both families, each way: the capture saw what there was to see.
        Assert.All(gateway, address => Assert.Contains(packets, packet => packet.Source.Equals(address)));
        Assert.All(gateway, address => Assert.Contains(packets, packet => packet.Destination.Equals(address)));
        Assert.True(packets.Count > 60, $"{packets.Count} packets");
    }
}
