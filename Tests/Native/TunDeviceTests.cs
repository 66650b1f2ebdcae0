using System.Net;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class TunDeviceTests
{
    [SkippableFact]
    public void A_device_has_its_queues_its_number_and_goes_with_its_owner()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            using (TunDevice device = TunDevice.Open(new TunOptions { Name = "fx%d", Queues = 3 }))
            {
                Assert.Equal("fx0", device.Name);
                Assert.Equal(3, device.Queues.Count);
                Assert.Equal(3, device.Queues.Select(queue => queue.Fd).Distinct().Count());
                Assert.True(device.Offload.HasFlag(TunOffload.Tcp));
                Assert.Equal(TunOffload.Checksum, device.SetOffload(TunOffload.Checksum));
                Assert.Equal(-Errno.EAGAIN, device.Queues[2].Read(new byte[TunQueue.MaximumFrameBytes]));
                Assert.Contains("tun type tun", space.Ip("-d link show dev fx0"));
                NativeException busy = Assert.Throws<NativeException>(
                    () => TunDevice.Open(new TunOptions { Name = "fx0" }));
                Assert.Equal(Errno.EBUSY, busy.Errno);
                Assert.Contains("choose another", busy.Message);
                using TunDevice second = TunDevice.Open(new TunOptions { Name = "fx%d" });
                Assert.Equal("fx1", second.Name);
            }

            using var netlink = new RouteNetlink();
            // A test beside this one may be starting a program: until its exec the child holds the queues as well.
            Assert.True(SpinWait.SpinUntil(() => netlink.FindLink("fx0") is null, 5000));
        });
    }

    [SkippableFact]
    public void Without_the_capability_the_mend_is_named()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        Exception? device = null;
        Exception? route = null;
        Exception? table = null;
        space.Start(() =>
        {
            ThreadCapabilities.DropAll();
            device = Record.Exception(() => TunDevice.Open(new TunOptions()));
            using var netlink = new RouteNetlink();
            Assert.Equal("lo", netlink.GetLink("lo").Name);
            route = Record.Exception(() => netlink.SetMtu(1, 1500));
            table = Record.Exception(() => NetfilterTable.Install(
                new NetfilterOptions { Name = "t", Device = "tun9" }));
        }).Join();
        foreach (Exception? refusal in (Exception?[])[device, route, table])
        {
            NativeException refused = Assert.IsType<NativeException>(refusal);
            Assert.Equal(Errno.EPERM, refused.Errno);
            Assert.Contains("CAP_NET_ADMIN", refused.Message);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("sixteen-letters!")]
    public void A_name_of_the_wrong_length_is_refused(string name) =>
        Assert.Throws<ArgumentException>(() => TunDevice.Open(new TunOptions { Name = name }));

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pings_through_the_ring_are_answered(bool multishot)
    {
        NetworkNamespace.Require();
        Tool.Require("ping");
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            using TunDevice device = TunDevice.Open(new TunOptions { Name = "ping0" });
            using var netlink = new RouteNetlink();
            netlink.AddAddress(device.InterfaceIndex, IPAddress.Parse("10.1.0.1"), 24);
            netlink.SetUp(device.InterfaceIndex, up: true);
            Task<string> ping = Task.Run(() => space.Execute("ping", "-c 20 -i 0.01 -W 5 10.1.0.2"));
            using var responder = new EchoResponder(device.Queues[0], multishot);
            responder.Until(() => ping.IsCompleted);
            Assert.Contains(" 0% packet loss", ping.Result);
            Assert.InRange(responder.Answered, 20, 1000);
            Assert.True(responder.Multishot == multishot);
            Assert.InRange(netlink.GetLink("ping0").Statistics.ReceivedPackets, 20ul, 1000ul);
        });
    }

    /// <summary>Swaps the addresses of every echo request and sends it back, header and payload as two parts.</summary>
    private sealed class EchoResponder : IDisposable
    {
        private const int BufferBytes = 2048;
        private const int Buffers = 16;
        private const ulong Read = 1;
        private const ulong Written = 2;

        private readonly IoRing _ring;
        private readonly PinnedRegion _memory = PinnedRegion.Allocate(BufferBytes * Buffers);
        private readonly ProvidedBufferRing _buffers;
        private readonly GatherList _list = new(2);
        private readonly TunQueue _queue;

        public EchoResponder(TunQueue queue, bool multishot)
        {
            _queue = queue;
            _ring = new IoRing(new IoRingOptions
            {
                SubmissionEntries = 16,
                CompletionEntries = 64,
                DirectDescriptors = 4,
                ReadMultishot = multishot,
            });
            _buffers = new ProvidedBufferRing(_ring, 1, Buffers);
            for (ushort id = 0; id < Buffers; id++)
                _buffers.Add(_memory, id * BufferBytes, BufferBytes, id);
            _buffers.Publish();
        }

        public int Answered { get; private set; }

        public bool Multishot => _ring.ReadMultishotGranted;

        public void Until(Func<bool> done)
        {
            _ring.PrepareReadMultishot(_queue.Fd, direct: false, 1, Read);
            while (!done())
            {
                _ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(20));
                while (_ring.TryTake(out Completion completion))
                    Take(completion);
            }
        }

        public void Dispose()
        {
            _buffers.Dispose();
            _ring.Dispose();
            _list.Dispose();
            _memory.Dispose();
        }

        private void Take(Completion completion)
        {
            Assert.Equal(Read, completion.UserData);
            Assert.True(completion.Result > 0, Errno.Name(completion.Result));
            int at = completion.BufferId * BufferBytes;
            if (TryAnswer(_memory.Slice(at, completion.Result)))
            {
                _list.Clear();
                Assert.True(_list.TryAdd(_memory, at, 38));
                Assert.True(_list.TryAdd(_memory, at + 38, completion.Result - 38));
                _ring.PrepareWriteVectored(_queue.Fd, direct: false, _list, Written);
                Assert.Equal(completion.Result, AwaitWrite());
                Answered++;
            }

            _buffers.Add(_memory, at, BufferBytes, completion.BufferId);
            _buffers.Publish();
            if (!completion.More)
                _ring.PrepareReadMultishot(_queue.Fd, direct: false, 1, Read);
        }

        private int AwaitWrite()
        {
            while (true)
            {
                _ring.SubmitAndWait(1, TimeSpan.FromSeconds(1));
                while (_ring.TryTake(out Completion completion))
                {
                    if (completion.UserData == Written)
                        return completion.Result;
                    Take(completion);
                }
            }
        }

        private static bool TryAnswer(Span<byte> frame)
        {
            Span<byte> packet = frame[VirtioNetHeader.Bytes..];
            if (packet[0] != 0x45 || packet[9] != 1 || packet[20] != 8)
                return false;
            frame[..VirtioNetHeader.Bytes].Clear();
            Span<byte> source = stackalloc byte[4];
            packet[12..16].CopyTo(source);
            packet[16..20].CopyTo(packet[12..]);
            source.CopyTo(packet[16..]);
            packet[20] = 0;
            packet[22..24].Clear();
            ushort sum = InternetChecksum.Compute(packet[20..]);
            System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(packet[22..], sum);
            return true;
        }
    }
}
