using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

/// <summary>A ring, a listener on loopback and a group of provided buffers, all on the thread that made it.</summary>
internal sealed class RingFixture : IDisposable
{
    public const ushort Group = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Queue<Completion> set = new();

    public RingFixture(int buffers = 64, int bufferBytes = 2048, IoRingOptions? options = null)
    {
        Ring = new IoRing(options ?? new IoRingOptions
        {
            SubmissionEntries = 64,
            CompletionEntries = 256,
            DirectDescriptors = 64,
        });
        Region = PinnedRegion.Allocate((long)buffers * bufferBytes);
        BufferBytes = bufferBytes;
        Buffers = new ProvidedBufferRing(Ring, Group, buffers);
        Listener = SocketDescriptor.ListenTcp(
            EndpointAddress.IPv4(127, 0, 0, 1, 0), 128, reusePort: false, out EndpointAddress bound);
        Bound = bound;
        for (int id = 0; id < buffers; id++)
            AddBuffer((ushort)id);
        Buffers.Publish();
    }

    public IoRing Ring { get; }

    public PinnedRegion Region { get; }

    public int BufferBytes { get; }

    public ProvidedBufferRing Buffers { get; }

    public SocketDescriptor Listener { get; }

    public EndpointAddress Bound { get; }

    public void AddBuffer(ushort id) => Buffers.Add(Region, (long)id * BufferBytes, BufferBytes, id);

    public Span<byte> Buffer(ushort id) => Region.Slice((long)id * BufferBytes, BufferBytes);

    public Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(Bound.ToIPEndPoint());
        return socket;
    }

    /// <summary>A connected pair: the client as an ordinary socket, the server as a direct descriptor.</summary>
    public (Socket Client, int Direct) Pair(ulong acceptUserData = 0xACCE)
    {
        Ring.PrepareAcceptMultishot(Listener.Fd, acceptUserData);
        Socket client = Connect();
        Completion accepted = Await(acceptUserData);
        Assert.True(accepted.Result >= 0, $"accept: {Errno.Name(accepted.Result)}");
        Ring.PrepareCancel(acceptUserData, all: true, 0xACCF);
        Await(0xACCF);
        Await(acceptUserData);
        return (client, accepted.Result);
    }

    /// <summary>The next completion of one operation; those of others are kept for their own turn.</summary>
    public Completion Await(ulong userData)
    {
        for (int kept = set.Count; kept > 0; kept--)
        {
            Completion earlier = set.Dequeue();
            if (earlier.UserData == userData)
                return earlier;
            set.Enqueue(earlier);
        }

        DateTime deadline = DateTime.UtcNow + Patience;
        while (DateTime.UtcNow < deadline)
        {
            Assert.True(Ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(100)) >= 0);
            bool found = false;
            Completion wanted = default;
            while (Ring.TryTake(out Completion completion))
            {
                if (!found && completion.UserData == userData)
                    (found, wanted) = (true, completion);
                else
                    set.Enqueue(completion);
            }

            if (found)
                return wanted;
        }

        throw new TimeoutException($"no completion for {userData:x}");
    }

    /// <summary>True when nothing for this operation arrives within the time.</summary>
    public bool StaysQuiet(ulong userData, int milliseconds = 50)
    {
        Ring.SubmitAndWait(1000, TimeSpan.FromMilliseconds(milliseconds));
        while (Ring.TryTake(out Completion completion))
            set.Enqueue(completion);
        return set.All(kept => kept.UserData != userData);
    }

    public void Dispose()
    {
        Buffers.Dispose();
        Ring.Dispose();
        Listener.Dispose();
        Region.Dispose();
    }
}
