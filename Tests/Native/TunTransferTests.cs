using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class TunTransferTests
{
    private const int Megabytes = 50;

    [SkippableTheory]
    [InlineData(false, "10.9.0.1", "10.9.0.2", 24)]
    [InlineData(true, "10.9.0.1", "10.9.0.2", 24)]
    [InlineData(true, "fc00::1", "fc00::2", 112)]
    public void Tcp_of_one_kernel_reaches_another_through_segments(
        bool coalesce, string sender, string receiver, int prefixLength)
    {
        NetworkNamespace.Require();
        using NetworkNamespace left = NetworkNamespace.Create();
        using NetworkNamespace right = NetworkNamespace.Create();
        using TunDevice leftDevice = left.Run(() => OpenTun(IPAddress.Parse(sender), prefixLength));
        using TunDevice rightDevice = right.Run(() => OpenTun(IPAddress.Parse(receiver), prefixLength));
        using var stop = new CancellationTokenSource();
        var forward = new Relay(leftDevice.Queues[0], rightDevice.Queues[0], coalesce);
        var back = new Relay(rightDevice.Queues[0], leftDevice.Queues[0], coalesce);
        Thread[] threads = [forward.Start(stop.Token), back.Start(stop.Token)];

        byte[] block = RandomNumberGenerator.GetBytes(1 << 20);
        using TcpListener listener = right.Run(() =>
        {
            var server = new TcpListener(IPAddress.Parse(receiver), 0);
            server.Start();
            return server;
        });
        Task<byte[]> received = Task.Run(() =>
        {
            using TcpClient peer = listener.AcceptTcpClient();
            return SHA256.HashData(peer.GetStream());
        });
        using var sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using TcpClient client = left.Run(() =>
        {
            var connecting = new TcpClient(IPAddress.Parse(sender).AddressFamily);
            connecting.Connect((IPEndPoint)listener.LocalEndpoint);
            return connecting;
        });
        for (int at = 0; at < Megabytes; at++)
        {
            client.GetStream().Write(block);
            sent.AppendData(block);
        }

        client.Client.Shutdown(SocketShutdown.Send);
        Assert.True(received.Wait(TimeSpan.FromSeconds(60)), "the transfer did not end");
        stop.Cancel();
        Assert.All(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(5))));
        Assert.Null(forward.Failure);
        Assert.Null(back.Failure);
        Assert.Equal(sent.GetHashAndReset(), received.Result);
        // The kernel really handed over large frames, and with joining took large ones.
        Assert.True(forward.Packets > 2 * forward.FramesRead, $"{forward.Packets} of {forward.FramesRead} frames");
        Assert.True(coalesce ? forward.Packets > 2 * forward.FramesWritten : forward.Packets == forward.FramesWritten);
    }

    [SkippableTheory]
    [InlineData("10.9.0.1", "10.9.0.2", 24)]
    [InlineData("fc00::1", "fc00::2", 112)]
    public void Udp_that_the_kernel_left_in_one_piece_arrives_as_datagrams(
        string sender, string receiver, int prefixLength)
    {
        NetworkNamespace.Require();
        using NetworkNamespace left = NetworkNamespace.Create();
        using NetworkNamespace right = NetworkNamespace.Create();
        using TunDevice leftDevice = left.Run(() => OpenTun(IPAddress.Parse(sender), prefixLength));
        using TunDevice rightDevice = right.Run(() => OpenTun(IPAddress.Parse(receiver), prefixLength));
        Skip.IfNot(leftDevice.Offload.HasFlag(TunOffload.UdpV4 | TunOffload.UdpV6), "USO needs Linux 6.2");
        using Socket target = right.Run(() => Datagrams(receiver));
        using Socket source = left.Run(() => Datagrams(sender));
        Span<byte> segment = [0xe8, 0x03, 0, 0];
        const int UdpLevel = 17;
        const int UdpSegment = 103;
        source.SetRawSocketOption(UdpLevel, UdpSegment, segment);
        using var stop = new CancellationTokenSource();
        var relay = new Relay(leftDevice.Queues[0], rightDevice.Queues[0], coalesce: true);
        Thread thread = relay.Start(stop.Token);
        byte[] payload = RandomNumberGenerator.GetBytes(20_300);
        source.SendTo(payload, target.LocalEndPoint!);

        byte[] buffer = new byte[2000];
        for (int at = 0; at < payload.Length; at += 1000)
        {
            int bytes = target.Receive(buffer);
            Assert.Equal(payload[at..Math.Min(at + 1000, payload.Length)], buffer[..bytes]);
        }

        stop.Cancel();
        Assert.True(thread.Join(TimeSpan.FromSeconds(5)));
        Assert.Null(relay.Failure);
        Assert.True(relay.Packets - relay.FramesRead >= 20, "the device was given single datagrams");
        Assert.True(relay.Packets - relay.FramesWritten >= 20, "datagrams were not joined");
    }

    private static Socket Datagrams(string address)
    {
        var socket = new Socket(IPAddress.Parse(address).AddressFamily, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = 5000,
        };
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        return socket;
    }

    private static TunDevice OpenTun(IPAddress address, int prefixLength)
    {
        TunDevice device = TunDevice.Open(new TunOptions { Name = "tr%d" });
        using var netlink = new RouteNetlink();
        netlink.AddAddress(device.InterfaceIndex, address, prefixLength);
        netlink.SetMtu(device.InterfaceIndex, 1420);
        netlink.SetUp(device.InterfaceIndex, up: true);
        return device;
    }

    /// <summary>Cuts every frame of one queue into packets and writes these, joined or single, to another.</summary>
    private sealed class Relay(TunQueue from, TunQueue to, bool coalesce)
    {
        private const int SlotBytes = 2048;
        private const int Slots = 128;

        public Exception? Failure { get; private set; }

        public long FramesRead { get; private set; }

        public long Packets { get; private set; }

        public long FramesWritten { get; private set; }

        public Thread Start(CancellationToken stop)
        {
            var thread = new Thread(() =>
            {
                try
                {
                    Run(stop);
                }
                catch (Exception thrown) when (thrown is not OutOfMemoryException)
                {
                    Failure = thrown;
                }
            })
            { IsBackground = true };
            thread.Start();
            return thread;
        }

        private void Run(CancellationToken stop)
        {
            using var ring = new IoRing(new IoRingOptions
            {
                SubmissionEntries = 16,
                CompletionEntries = 32,
                DirectDescriptors = 4,
            });
            using PinnedRegion region = PinnedRegion.Allocate(Slots * SlotBytes);
            using var coalescer = new PacketCoalescer(Slots, coalesceUdp: true);
            using var list = new GatherList(PacketCoalescer.MaximumParts);
            byte[] frame = new byte[TunQueue.MaximumFrameBytes];
            while (!stop.IsCancellationRequested)
            {
                int bytes = from.Read(frame);
                if (bytes == -Errno.EAGAIN)
                {
                    from.WaitReadable(TimeSpan.FromMilliseconds(20));
                    continue;
                }

                Assert.True(bytes > 0, Errno.Name(bytes));
                FramesRead++;
                Assert.True(PacketSegmenter.TryOpen(frame.AsSpan(0, bytes), out PacketSegmenter segmenter));
                coalescer.Clear();
                while (segmenter.NextBytes > 0)
                {
                    long slot = (long)coalescer.Packets * SlotBytes;
                    Span<byte> target = region.Slice(slot, SlotBytes);
                    target[..VirtioNetHeader.Bytes].Clear();
                    Assert.True(segmenter.TryNext(target[VirtioNetHeader.Bytes..], out int length));
                    Assert.True(coalescer.Add(region, slot + VirtioNetHeader.Bytes, length));
                    Packets++;
                    if (!coalesce)
                        Written(to.Write(target[..(VirtioNetHeader.Bytes + length)]));
                }

                for (int at = 0; coalesce && at < coalescer.Frames; at++)
                {
                    coalescer.Fill(at, list);
                    ring.PrepareWriteVectored(to.Fd, direct: false, list, 1);
                    Assert.True(ring.SubmitAndWait(1, TimeSpan.FromSeconds(5)) >= 0);
                    Assert.True(ring.TryTake(out Completion completion));
                    Assert.Equal(coalescer.BytesOf(at), completion.Result);
                    Written(completion.Result);
                }
            }
        }

        private void Written(int result)
        {
            Assert.True(result > 0, Errno.Name(result));
            FramesWritten++;
        }
    }
}
