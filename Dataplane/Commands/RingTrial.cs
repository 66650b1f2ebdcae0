using System.Net;
using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;

namespace FastExit.Commands;

/// <summary>
/// Uses io_uring once the way a core does: a multishot accept into the table of direct descriptors, a receive into a provided buffer, a
/// send, a message to a ring, a close. Versions alone say little: containers and sysctls refuse single operations.
/// </summary>
internal static class RingTrial
{
    private const ulong Accepted = 1;
    private const ulong Received = 2;
    private const ulong Sent = 3;
    private const ulong Messaged = 4;
    private const ulong Closed = 5;
    private const ushort Group = 0;
    private const int BufferBytes = 4096;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    /// <summary>Null when everything works, else the operation that failed.</summary>
    public static (string? Failure, int DirectDescriptors, bool Bundles) Run()
    {
        (string?, int, bool) outcome = ("the trial did not run", 0, false);
        // A ring belongs to the thread that made it.
        var thread = new Thread(() =>
        {
            try
            {
                outcome = Try();
            }
            catch (Exception error) when (error is NativeException or SocketException or IOException or OutOfMemoryException)
            {
                outcome = (error.Message, 0, false);
            }
        });
        thread.Start();
        thread.Join();
        return outcome;
    }

    private static (string?, int, bool) Try()
    {
        using var ring = new IoRing(new IoRingOptions { SubmissionEntries = 16, CompletionEntries = 64 });
        using var memory = PinnedRegion.Allocate(2 * BufferBytes, preferHugePages: false);
        using var buffers = new ProvidedBufferRing(ring, Group, 1);
        buffers.Add(memory, 0, BufferBytes, 0);
        buffers.Publish();
        using var listener = SocketDescriptor.ListenTcp(
            EndpointAddress.From(new IPEndPoint(IPAddress.Loopback, 0)), 1, reusePort: true, out var bound);
        ring.PrepareAcceptMultishot(listener.Fd, Accepted);
        ring.Submit();
        using var client = new TcpClient { SendTimeout = 3_000, ReceiveTimeout = 3_000 };
        client.Connect(bound.ToIPEndPoint());

        if (!Wait(ring, Accepted, out var direct, out var failure))
            return ($"multishot accept into direct descriptors: {failure}", 0, false);
        client.GetStream().Write([1, 2, 3]);
        ring.PrepareReceive(direct, Group, BufferBytes, bundle: false, Received);
        if (!Wait(ring, Received, out var bytes, out failure) || bytes != 3)
            return ($"receive into a provided buffer: {failure}", 0, false);
        ring.PrepareSend(direct, memory, 0, bytes, waitAll: true, Sent);
        if (!Wait(ring, Sent, out _, out failure))
            return ($"send: {failure}", 0, false);
        if (client.GetStream().ReadByte() != 1)
            return ("send: other bytes arrived than were received", 0, false);
        ring.PrepareMessage(ring.Fd, Messaged, 0, Closed + 1);
        if (!Wait(ring, Messaged, out _, out failure))
            return ($"message to a ring: {failure}", 0, false);
        ring.PrepareClose(direct, Closed);
        return Wait(ring, Closed, out _, out failure)
            ? (null, ring.DirectDescriptorLimit, ring.BundlesGranted)
            : ($"close: {failure}", 0, false);
    }

    private static bool Wait(IoRing ring, ulong userData, out int result, out string failure)
    {
        result = 0;
        failure = "";
        var deadline = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        while (Environment.TickCount64 < deadline)
        {
            var submitted = ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(100));
            if (submitted < 0)
            {
                failure = Errno.Name(-submitted);
                return false;
            }

            while (ring.TryTake(out var completion))
            {
                if (completion.UserData != userData)
                    continue;
                result = completion.Result;
                if (result >= 0)
                    return true;
                failure = Errno.Name(-result);
                return false;
            }
        }

        failure = $"no completion within {s_patience.TotalSeconds:0} s";
        return false;
    }
}
