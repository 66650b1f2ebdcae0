using System.IO.Pipelines;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Figures;

/// <summary>
/// Moves bytes between a client engine and a <see cref="ByteServer"/> through the whole mixnet. Everything ends with a
/// <see cref="LabException"/> when nothing moves any more.
/// </summary>
internal static class Transfer
{
    private const int MessageBytes = 1560;

    /// <summary>Longer than any pause that retransmission repairs.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static async Task DownloadAsync(ClientEngine engine, ByteServer server, long bytes)
    {
        ProxyConnection connection = engine.Open(server.SourceAddress.ToString());
        await SendAsync(connection, BitConverter.GetBytes(bytes), 0).ConfigureAwait(false);
        long received = await DrainAsync(connection, s_patience).ConfigureAwait(false);
        connection.Close();
        if (received != bytes)
            throw new LabException($"{received} of {bytes} bytes arrived");
    }

    public static async Task UploadAsync(ClientEngine engine, ByteServer server, long bytes)
    {
        ProxyConnection connection = engine.Open(server.SinkAddress.ToString());
        for (long sent = 0; sent < bytes; sent += MessageBytes)
            await SendAsync(connection, new byte[(int)Math.Min(MessageBytes, bytes - sent)], sent).ConfigureAwait(false);
        connection.CompleteSending();
        long received = await DrainAsync(connection, s_patience).ConfigureAwait(false);
        connection.Close();
        if (received != 1)
            throw new LabException("the upload was not acknowledged");
    }

    /// <summary>Bytes received until the destination's end.</summary>
    /// <param name="connection">Closed when it fails.</param>
    /// <param name="patience">Longest time without a byte.</param>
    /// <exception cref="LabException">Nothing came for that long, or the connection failed.</exception>
    internal static async Task<long> DrainAsync(ProxyConnection connection, TimeSpan patience)
    {
        long received = 0;
        using var stop = new CancellationTokenSource();
        try
        {
            while (true)
            {
                stop.CancelAfter(patience);
                ReadResult result = await connection.Input.ReadAsync(stop.Token).ConfigureAwait(false);
                received += result.Buffer.Length;
                connection.Consumed((int)result.Buffer.Length);
                connection.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                    return received;
            }
        }
        catch (OperationCanceledException)
        {
            connection.Close();
            throw new LabException(
                $"nothing came for {patience.TotalSeconds:0.#} s after {received} bytes received; the exit's lines above may say why");
        }
        catch (IOException e)
        {
            throw new LabException($"the connection failed after {received} bytes received: {e.Message}");
        }
    }

    private static async Task SendAsync(ProxyConnection connection, byte[] message, long sentBefore)
    {
        try
        {
            await connection.SendAsync(message).AsTask().WaitAsync(s_patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            connection.Close();
            throw new LabException(
                $"nothing was acknowledged for {s_patience.TotalSeconds:0.#} s after {sentBefore} bytes sent; the exit's lines above may say why");
        }
        catch (IOException)
        {
            throw new LabException($"the connection failed after {sentBefore} bytes sent: {connection.FailureReason}");
        }
    }
}
