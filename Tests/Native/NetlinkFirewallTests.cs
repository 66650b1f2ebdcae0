using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class NetlinkFirewallTests
{
    private static readonly NetfilterOptions s_options = new()
    {
        Name = "t",
        Device = "tun9",
        PoolIPv4 = IPNetwork.Parse("10.0.0.0/17"),
        PoolIPv6 = IPNetwork.Parse("fc00::/112"),
    };

    [SkippableFact]
    public void The_table_reads_as_written_leaves_others_alone_and_goes_on_dispose()
    {
        NetworkNamespace.Require();
        Tool.Require("nft");
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            Nft(space, "add table inet other { chain c { type filter hook input priority 0 ; policy accept ; } ; }");
            string before = space.Execute("nft", "list ruleset");
            using (NetfilterTable table = NetfilterTable.Install(s_options))
            {
                Assert.True(table.IsOwned);
                Assert.True(table.Exists());
                Assert.Empty(table.Warnings);
                string[] lines = [.. space.Execute("nft", "list table inet fastexit_t").Split('\n')
                    .Select(line => line.Trim()).Where(line => line.Length > 0)];
                Assert.Equal(
                    [
                        "flags owner",
                        "chain postrouting {",
                        "type nat hook postrouting priority srcnat; policy accept;",
                        "ip saddr 10.0.0.0/17 oifname != \"tun9\" masquerade",
                        "ip6 saddr fc00::/112 oifname != \"tun9\" masquerade",
                        "}",
                        "chain forward {",
                        "type filter hook forward priority filter; policy accept;",
                        "iifname \"tun9\" oifname \"tun9\" drop",
                        "iifname \"tun9\" ct state established,related,new accept",
                        "iifname \"tun9\" drop",
                        "oifname \"tun9\" ct state established,related accept",
                        "oifname \"tun9\" drop",
                        "}",
                        "}",
                    ],
                    lines[1..]);
            }

            Assert.Equal(before, space.Execute("nft", "list ruleset"));
        });
    }

    [SkippableFact]
    public void A_leftover_is_replaced_a_living_owners_table_is_not()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            NetfilterOptions unowned = s_options with { Owned = false };
            NetfilterTable leftover = NetfilterTable.Install(unowned);
            Assert.False(leftover.IsOwned);
            using (NetfilterTable replacement = NetfilterTable.Install(s_options))
            {
                Assert.True(replacement.IsOwned);
                NativeException refused = Assert.Throws<NativeException>(() => NetfilterTable.Install(s_options));
                Assert.Equal(Errno.EPERM, refused.Errno);
                Assert.Contains("owns a table of this name", refused.Message);
                // What was replaced is not its first maker's any more.
                leftover.Dispose();
                Assert.True(replacement.Exists());
            }

            using NetfilterTable again = NetfilterTable.Install(s_options);
            Assert.True(again.Exists());
        });
    }

    [SkippableFact]
    public void A_killed_process_leaves_no_table()
    {
        NetworkNamespace.Require();
        Tool.Require("nft");
        using NetworkNamespace space = NetworkNamespace.Create();
        using Process child = NetlinkChild.Start(space, "killed");
        Assert.Contains("fastexit_killed", space.Execute("nft", "list tables"));
        child.Kill();
        child.WaitForExit();
        Assert.Equal(137, child.ExitCode);
        Assert.True(
            SpinWait.SpinUntil(() => !space.Execute("nft", "list tables").Contains("fastexit_killed"), 5000));
    }

    [SkippableFact]
    public void A_forward_chain_that_drops_is_reported_and_kept()
    {
        NetworkNamespace.Require();
        Tool.Require("nft");
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            Nft(space, "add table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; } ; }");
            Nft(space, "add table ip6 open { chain f { type filter hook forward priority 0 ; policy accept ; } ; }");
            using NetfilterTable table = NetfilterTable.Install(s_options);
            string warning = Assert.Single(table.Warnings);
            Assert.Contains("Chain FORWARD of nftables table ip filter", warning);
            Assert.Contains("policy drop", space.Execute("nft", "list table ip filter"));
        });
    }

    [SkippableFact]
    public void Pool_addresses_leave_masqueraded_answers_return_and_strangers_do_not()
    {
        NetworkNamespace.Require();
        using NetworkNamespace host = NetworkNamespace.Create();
        using NetworkNamespace world = NetworkNamespace.Create();
        host.Connect(world, "up0", "down0");
        host.Ip("addr add 192.0.2.1/24 dev up0");
        world.Ip("addr add 192.0.2.2/24 dev down0");
        world.Ip("route add 10.0.0.0/17 via 192.0.2.1");
        host.Run(() =>
        {
            using TunDevice device = TunDevice.Open(new TunOptions { Name = "tun9" });
            using var netlink = new RouteNetlink();
            netlink.AddAddress(device.InterfaceIndex, IPAddress.Parse("10.0.0.1"), 17);
            netlink.SetUp(device.InterfaceIndex, up: true);
            using var settings = new ForwardingSysctl(restore: true);
            settings.Set(ForwardingSysctl.IPv4Key, "1");
            using NetfilterTable table = NetfilterTable.Install(s_options);
            using Socket outside = world.Run(() =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
                {
                    ReceiveTimeout = 5000,
                };
                socket.Bind(new IPEndPoint(IPAddress.Parse("192.0.2.2"), 53));
                return socket;
            });

            // A stranger first, who must not come through; then a flow of the tunnel's own, whose answer must.
            outside.SendTo("stranger"u8, new IPEndPoint(IPAddress.Parse("10.0.0.5"), 40000));
            byte[] question = Readdress(TunPackets.Udp(false, "question"u8), "10.0.0.5", "192.0.2.2");
            Assert.True(device.Queues[0].Write([.. new byte[VirtioNetHeader.Bytes], .. question]) > 0);
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            byte[] buffer = new byte[2048];
            int bytes = outside.ReceiveFrom(buffer, ref from);
            Assert.Equal("question"u8.ToArray(), buffer[..bytes]);
            Assert.Equal(IPAddress.Parse("192.0.2.1"), ((IPEndPoint)from).Address);
            outside.SendTo("answer"u8, from);

            byte[] packet = NextDatagram(device.Queues[0]);
            Assert.Equal("answer"u8.ToArray(), packet[28..]);
            Assert.Equal([192, 0, 2, 2, 10, 0, 0, 5], packet[12..20]);
            Assert.True(TunPackets.Verifies(packet));
        });
    }

    private static byte[] NextDatagram(TunQueue queue)
    {
        byte[] frame = new byte[TunQueue.MaximumFrameBytes];
        byte[] slot = new byte[2048];
        while (queue.WaitReadable(TimeSpan.FromSeconds(5)))
        {
            int bytes = queue.Read(frame);
            Assert.True(PacketSegmenter.TryOpen(frame.AsSpan(0, bytes), out PacketSegmenter segmenter));
            Assert.True(segmenter.TryNext(slot, out int length));
            if (slot[0] == 0x45 && slot[9] == 17)
                return slot[..length];
        }

        throw new TimeoutException("no UDP datagram came out of the device");
    }

    private static byte[] Readdress(byte[] packet, string source, string destination)
    {
        byte[] before = packet[12..20];
        IPAddress.Parse(source).GetAddressBytes().CopyTo(packet, 12);
        IPAddress.Parse(destination).GetAddressBytes().CopyTo(packet, 16);
        foreach (int at in (int[])[10, 26])
        {
            ushort old = (ushort)((packet[at] << 8) | packet[at + 1]);
            ushort sum = InternetChecksum.Update(old, before, packet.AsSpan(12, 8));
            (packet[at], packet[at + 1]) = ((byte)(sum >> 8), (byte)sum);
        }

        Assert.True(TunPackets.Verifies(packet));
        return packet;
    }

    private static void Nft(NetworkNamespace space, string commands)
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, commands.Replace(";", "\n") + "\n");
        space.Execute("nft", $"-f {file}");
        File.Delete(file);
    }
}
