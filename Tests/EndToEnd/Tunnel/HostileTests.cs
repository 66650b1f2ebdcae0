using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using FastExit.Tests.IpPacketRouter;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>A client that sends what no host sends, through every hop and the gateway's kernel, beside one that means well.</summary>
[Collection(OneCoreTunnelRun.Name)]
public sealed class HostileTests(OneCoreTunnel lab)
{
    [SkippableFact]
    public async Task Nothing_of_it_reaches_the_internet_all_of_it_is_counted_and_others_go_on()
    {
        TunnelLab.Require();
        TunnelClient good = lab.Clients[0];
        List<HostilePacket> sent = HostilePacket.All(
            Ip.Address("10.0.0.2"), Ip.Address("fc00::2"), Ip.Address("11.0.0.53"), Ip.Address("2a11::53"));
        using Socket ears = lab.World.Internet.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 5000 };
            socket.Bind(new IPEndPoint(TunnelWorld.WebIPv4, TunnelWorld.EchoPort));
            return socket;
        });
        MetricsSample before = await lab.Metrics.ReadAsync();
        string file = Path.Combine(lab.Folder, "hostile.pcap");
        using (SpaceProcess capture = SpaceProcess.Start(
            lab.World.Internet, "tcpdump", "-i", TunnelWorld.OutsideDevice, "-U", "--immediate-mode", "-n", "-Z", "root", "-w", file))
        {
            await capture.LineAsync("listening on", TimeSpan.FromSeconds(20));
            using (SpaceProcess child = RawClient.Start(lab, victim: null))
            {
                await child.LineAsync(RawClient.Done, TimeSpan.FromSeconds(60));
                foreach (string family in new[] { "-4", "-6" })
                {
                    IPAddress host = family == "-4" ? TunnelWorld.WebIPv4 : TunnelWorld.WebIPv6;
                    await Traffic.PingAsync(good.Space, host);
                    await Traffic.FetchAsync(good.Space, family == "-4" ? $"{host}" : $"[{host}]", 100_000);
                }

                foreach (IGrouping<Counter, HostilePacket> group in sent.GroupBy(packet => packet.Reason))
                {
                    double expected = before[group.Key] + (group.Count() * RawClient.Rounds);
                    await lab.UntilAsync(sample => sample[group.Key] == expected, $"{group.Key} is not {expected}");
                }

                await Task.Delay(1000);
            }

            capture.Signal(Tmds.Linux.LibC.SIGINT);
            Assert.Equal(0, await capture.EndAsync(TimeSpan.FromSeconds(10)));
        }

        // Its two honest packets, the long one put together again; neither overtaken by anything.
        byte[] buffer = new byte[4096];
        int[] heard = [ears.Receive(buffer), ears.Receive(buffer)];
        Assert.Equal([RawClient.OwnPayload, RawClient.LongPayload], heard.Order());

        HashSet<IPAddress> gateway = [TunnelWorld.GatewayIPv4, TunnelWorld.GatewayIPv6];
        HashSet<IPAddress> web = [TunnelWorld.WebIPv4, TunnelWorld.WebIPv6];
        List<CapturedPacket> packets = CapturedPacket.Read(await File.ReadAllBytesAsync(file));
        Assert.All(packets, packet => Assert.True(
            (gateway.Contains(packet.Source) && web.Contains(packet.Destination)) || (web.Contains(packet.Source) && gateway.Contains(packet.Destination)),
            $"{packet.Source} > {packet.Destination}: {Convert.ToHexString(packet.Bytes)}"));
        Assert.True(packets.Count > 100, $"{packets.Count} packets");

        MetricsSample after = await lab.Metrics.ReadAsync();
        Assert.Equal(before[Counter.IpPacketRouter_PacketsCut] + 1, after[Counter.IpPacketRouter_PacketsCut]);
        Assert.Equal(before[Counter.IpPacketRouter_SessionsCutOff], after[Counter.IpPacketRouter_SessionsCutOff]);
        Assert.DoesNotContain("connecting anew", good.Text, StringComparison.Ordinal);
    }
}
